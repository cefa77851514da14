/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an ELF file that anybody may have made and may change meanwhile. It is read and never
 * mapped: of a mapped file that is cut short the first look beyond its end would end this program.
 * What is read is held in memory, and a file can say that it is larger than any memory: one whose
 * tables are larger than those of real programs is not opened.
 */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include <libelf.h>

/* Symbols, their names and relocations, all together: those of node take 20 MiB. */
enum { ELF_FILE_TABLES_MAX = 128 << 20 };

/* 0 with *out, which the caller ends by elf_end() before closing fd; -ENOEXEC: it is no ELF file;
 * -EFBIG: its tables are too large. *out is NULL where it fails. */
int elf_file_open(int fd, Elf **out);

#endif
