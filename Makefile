# SPDX-License-Identifier: Apache-2.0
# make [V=1] [SAN=address,undefined] [DEBUG=1] [CC=clang]
O       ?= build$(if $(SAN),-san)
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKG     ?= pkg-config
ifeq ($(origin CC),default)
CC      := gcc
endif
ARCH    ?= $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
PREFIX  ?= /usr/local
DESTDIR ?=

VERSION := 0.1.0
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

LIBS_PC := libbpf libelf zlib libmicrohttpd libcyaml jansson
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Werror
CFLAGS  ?= -g -O$(if $(DEBUG),0,2)
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
	   -D_GNU_SOURCE -Iinclude -Iuser -Itests/unit -I$(O) $(shell $(PKG) --cflags $(LIBS_PC))
LIBS     = $(shell $(PKG) --libs $(LIBS_PC)) -lm
BPF_CFLAGS := -g -O2 -Wall -Werror -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Iinclude -Ibpf -Ivmlinux/$(ARCH)

BPF_OBJ := $(patsubst %.bpf.c,$(O)/%.bpf.o,$(wildcard bpf/*.bpf.c))
SRC     := $(wildcard user/*.c user/*/*.c)
OBJ     := $(SRC:%.c=$(O)/%.o)
LIB     := $(filter-out $(O)/user/main.o,$(OBJ))
TESTS   := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))

Q   := $(if $(filter 1,$(V)),,@)
msg  = $(if $(Q),@printf '  %-8s %s\n' '$(1)' '$(patsubst $(O)/%,%,$@)')

all: $(O)/sonde

$(O)/%.bpf.o: %.bpf.c Makefile
	$(call msg,BPF)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

# bpftool writes to stdout even when it fails: generate aside, then rename
$(O)/sonde.skel.h: $(BPF_OBJ)
	$(call msg,SKEL)
	$(Q)$(BPFTOOL) gen object $(O)/sonde.bpf.o $(BPF_OBJ)
	$(Q)$(BPFTOOL) gen skeleton $(O)/sonde.bpf.o name sonde_bpf > $@.tmp && mv $@.tmp $@

$(O)/user/capture/probe.o: $(O)/sonde.skel.h

# the one file that knows version and commit is rebuilt when they change
$(O)/version.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '#define SONDE_VERSION "%s"\n#define SONDE_COMMIT "%s"\n' '$(VERSION)' '$(COMMIT)' > $@.tmp
	$(Q)cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
$(OBJ): | $(O)/version.h

$(O)/%.o: %.c Makefile
	$(call msg,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(O)/sonde: $(OBJ)
	$(call msg,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(O)/libsonde.a: $(LIB)
	$(call msg,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/tests/%: $(O)/tests/unit/%.o $(O)/libsonde.a
	$(call msg,TEST-LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< $(O)/libsonde.a $(LIBS) -lcmocka -o $@

unit: $(TESTS)
	$(Q)for t in $^; do $$t || exit 1; done

format-check:
	$(Q)clang-format --dry-run -Werror $(wildcard bpf/*.[ch] user/*.[ch] user/*/*.[ch] include/*.h tests/*/*.[ch])

vmlinux/$(ARCH)/vmlinux.h:
	$(call msg,VMLINUX)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@.tmp && mv $@.tmp $@

clean:
	$(call msg,CLEAN)
	$(Q)rm -rf build build-san build-fuzz

.PHONY: all unit format-check clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(O) -name '*.d' 2>/dev/null)
