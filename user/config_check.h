/* SPDX-License-Identifier: Apache-2.0 */
/* What the text of a value must look like. Numbers are decimal, without sign or space. Functions
 * return 0 and write *out, or -EINVAL. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include <stddef.h>
#include <stdint.h>

int parse_count(const char *s, uint64_t max, uint64_t *out); /* 0 is refused */
int parse_size(const char *s, uint64_t *out);		     /* "16MiB": bytes */
int parse_duration(const char *s, uint64_t *out);	     /* "300ms": ns; 0 is refused */
int parse_cores(const char *s, double *out);
/* "127.0.0.1:9464", "[::1]:9464", "localhost:9464". addr has room for an IPv6 address. */
int parse_listen(const char *s, char *addr, size_t size, uint16_t *port);

/* Of type option_check. */
int check_pid(const char *s, char *expected, size_t size);
int check_port(const char *s, char *expected, size_t size);
int check_comm(const char *s, char *expected, size_t size);
int check_glob(const char *s, char *expected, size_t size);
int check_keep(const char *s, char *expected, size_t size); /* errors, slow */
int check_protocol(const char *s, char *expected, size_t size);
/* auto, off, or what it says. */
int check_kubelet(const char *s, char *expected, size_t size);
int check_kubernetes(const char *s, char *expected, size_t size);
int check_socket(const char *s, char *expected, size_t size);
int check_namespace(const char *s, char *expected, size_t size);
int check_node_name(const char *s, char *expected, size_t size);
int check_url(const char *s, char *expected, size_t size); /* http or https */
int check_sonde_url(const char *s, char *expected, size_t size);

#endif
