# SPDX-License-Identifier: Apache-2.0
# make [TARGET] [V=1] [SAN=address,undefined] [DEBUG=1] [CC=clang]
#
#   all      build/sonde                        run      install what is missing, build, observe
#   check    every test                         unit     the unit tests alone
#   bench    the figures of docs/performance.md fuzz     each fuzz target for FUZZ_SECONDS
#   soak     the figures of docs/reliability.md
#   deps     what the build needs               install  into DESTDIR and PREFIX; uninstall
#   deb      a Debian package in build/deb
#   dist     a tarball with one static program in build/dist
#   demo     a shop of real programs on loopback, observed; load and chaos drive a running one
#
# Nothing is asked of the host while this file is read, so that `make run` works where no compiler
# is: it installs one, then calls make again.
O       ?= build$(if $(SAN),-san)
CLANG   ?= clang
BPFTOOL ?= bpftool
PKG     ?= pkg-config
ifeq ($(origin CC),default)
CC      := gcc
endif
ARCH    ?= $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
PREFIX  ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
DESTDIR ?=
JOBS    ?= $(shell nproc 2>/dev/null || echo 1)
# bpftool, nginx and others live in sbin, which an ordinary PATH may lack
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

VERSION := 0.1.0
# root may build in somebody else's clone
COMMIT  := $(shell git -c safe.directory='*' rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

LIBS_PC := libseccomp libbpf libelf zlib libmicrohttpd gnutls yaml-0.1 jansson libpcap libnghttp2 libcrypt
# without libcurl nothing is exported over OTLP, without capstone TLS of Go programs is not read,
# without ncurses `top` prints tables only; `sonde version` says so
LIBS_PC_OPTIONAL := libcurl capstone ncursesw
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Werror
CFLAGS  ?= -g -O$(if $(DEBUG),0,2)
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
	   $(TUNE) -D_GNU_SOURCE -Iinclude -Iuser -Itests/unit -I$(O) $(PC_CFLAGS)
LIBS     = $(PC_LIBS) -lm
# asked once, when first needed. gcc clears and copies structs of 32 bytes to 8 KiB by "rep stosq", which
# takes longer to begin than the C library's calls take for all of them
TUNE      = $(eval TUNE := $(shell $(CC) $(STRINGS) -E -x c /dev/null >/dev/null 2>&1 && echo $(STRINGS)))$(TUNE)
STRINGS  := -mmemset-strategy=libcall:-1:noalign -mmemcpy-strategy=libcall:-1:noalign
PC_CFLAGS = $(eval PC_CFLAGS := $(shell $(PKG) --cflags $(LIBS_PC)) $(call pc_optional,cflags))$(PC_CFLAGS)
PC_LIBS   = $(eval PC_LIBS := $(shell $(PKG) --libs $(LIBS_PC)) $(call pc_optional,libs))$(PC_LIBS)
pc_optional = $(foreach pc,$(LIBS_PC_OPTIONAL),$(shell $(PKG) --$(1) $(pc) 2>/dev/null))
BPF_CFLAGS := -g -O2 -Wall -Werror -Wno-gnu-variable-sized-type-not-at-end -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Iinclude -Ibpf -Ivmlinux/$(ARCH)

BPF_OBJ := $(patsubst %.bpf.c,$(O)/%.bpf.o,$(wildcard bpf/*.bpf.c))
SRC     := $(wildcard user/*.c user/*/*.c)
OBJ     := $(SRC:%.c=$(O)/%.o)
LIB     := $(filter-out $(O)/user/main.o,$(OBJ))
TESTS   := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))

Q   := $(if $(filter 1,$(V)),,@)
msg  = $(if $(Q),@printf '  %-8s %s\n' '$(1)' '$(patsubst $(O)/%,%,$@)')

all: $(O)/sonde

$(O)/%.bpf.o: %.bpf.c Makefile | vmlinux/$(ARCH)/vmlinux.h
	$(call msg,BPF)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

# bpftool writes to stdout even when it fails: generate aside, then rename
$(O)/sonde.skel.h: $(BPF_OBJ)
	$(call msg,SKEL)
	$(Q)$(BPFTOOL) gen object $(O)/sonde.bpf.o $(BPF_OBJ)
	$(Q)$(BPFTOOL) gen skeleton $(O)/sonde.bpf.o name sonde_bpf > $@.tmp && mv $@.tmp $@

$(O)/tests/unit/test_bare.o $(patsubst %.c,$(O)/%.o,$(wildcard user/capture/probe*.c)): $(O)/sonde.skel.h

# the one file that knows version and commit is rebuilt when they change; two makes may ask at once
$(O)/version.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '#define SONDE_VERSION "%s"\n#define SONDE_COMMIT "%s"\n' '$(VERSION)' '$(COMMIT)' > $@.$$$$ && \
		{ cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@; }
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

# what tests share: files in tests/unit that are no tests themselves
TEST_HELPERS := $(patsubst %.c,$(O)/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))

$(O)/tests/%: $(O)/tests/unit/%.o $(TEST_HELPERS) $(O)/libsonde.a
	$(call msg,TEST-LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< $(TEST_HELPERS) $(O)/libsonde.a $(LIBS) -lcmocka -o $@

tests: $(TESTS)

unit: $(TESTS)
	$(Q)for t in $^; do $$t || exit 1; done

# each target: FUZZ_SECONDS of libFuzzer from its corpus; findings stay in build-fuzz
FUZZ_SECONDS ?= 20
FUZZ_TIMEOUT ?= 5
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,build-fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PARTS   := build-fuzz/tests/unit/feed.o build-fuzz/libsonde.a

# all of the program, made for the fuzzer by the rules above
fuzz-parts:
	$(Q)$(MAKE) --no-print-directory O=build-fuzz CC=$(CLANG) CFLAGS='-g -O1' \
		SAN=fuzzer-no-link,address,undefined $(FUZZ_PARTS)

build-fuzz/%: tests/fuzz/fuzz_%.c $(wildcard tests/fuzz/*.h tests/unit/feed.* tests/unit/parts.h include/*.h user/*.[ch] user/*/*) | fuzz-parts
	$(call msg,FUZZ)
	$(Q)$(CLANG) -std=gnu11 $(WARN) -g -O1 -D_GNU_SOURCE -Iinclude -Iuser -Itests/unit $(PC_CFLAGS) \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $< $(FUZZ_PARTS) $(LIBS) -o $@

fuzz-build: $(FUZZ_TARGETS)
fuzz: $(FUZZ_TARGETS)
	$(Q)printf '%s\n' $^ | xargs -P $(JOBS) -I{} sh -c 't={}; mkdir -p $$t.found && \
		$$t -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=$(FUZZ_TIMEOUT) -verbosity=0 \
		-print_final_stats=1 -artifact_prefix=$$t. $$t.found tests/fuzz/corpus/$${t##*/} \
		>$$t.log 2>&1 && echo "ok fuzz $${t##*/}" || \
		{ cat $$t.log; echo "FAIL fuzz $${t##*/}"; exit 1; }'

format-check:
	$(Q)clang-format --dry-run -Werror $(wildcard bpf/*.[ch] user/*.[ch] user/*/*.[ch] include/*.h tests/*/*.[ch])

deps:
	$(Q)deploy/install-deps build
	$(Q)$(PKG) --exists --print-errors $(LIBS_PC)

# what is generated of the documentation, checked in
docs: docs/configuration.md docs/metrics.md
docs/configuration.md: $(O)/sonde
	$(call msg,DOC)
	$(Q)$< help markdown > $@.tmp && mv $@.tmp $@
$(O)/metrics_md: $(O)/docs/metrics_md.o $(O)/libsonde.a
	$(call msg,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@
docs/metrics.md: $(O)/metrics_md
	$(call msg,DOC)
	$(Q)$< > $@.tmp && mv $@.tmp $@

# the two commands of the README. ARGS: more flags for sonde
run: need-root deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)exec $(O)/sonde run $(ARGS)

check: need-root deps
	$(Q)deploy/install-deps test
	$(Q)tests/check.sh $(STAGES)

# The demonstration (deploy/demo). PORT: the first of nine on loopback; ARGS: more flags for sonde.
#   load:   PROFILE=steady|ramp|spike RATE=40 SECONDS=20
#   chaos:  FAULT=NAME|all SECONDS=6
DEMO  := deploy/demo/demo.py
PORT  ?= 18080
FAULT ?= all
DEMO_ARGS = --port $(PORT) $(if $(RATE),--rate $(RATE)) $(if $(SECONDS),--seconds $(SECONDS))
demo: need-root deps
	$(Q)deploy/install-deps demo
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(O)/demo/stock
	$(Q)exec $(DEMO) up $(DEMO_ARGS) --sonde $(O)/sonde --stock $(O)/demo/stock -- $(ARGS)
load: need-root
	$(Q)exec $(DEMO) load $(DEMO_ARGS) $(if $(PROFILE),--profile $(PROFILE))
chaos: need-root
	$(Q)exec $(DEMO) chaos $(DEMO_ARGS) --fault $(FAULT)

$(O)/demo/stock: deploy/demo/stock.go
	$(call msg,GO)
	$(Q)mkdir -p $(@D)
	$(Q)GO111MODULE=off CGO_ENABLED=0 GOCACHE=$(abspath $(@D))/go-cache go build -o $@ $<

# the long forms of the churn cases, about 20 minutes; renews the table of docs/reliability.md
soak: need-root all
	$(Q)tests/soak/soak.py --sonde $(O)/sonde --write $(ARGS)

need-root:
	$(Q)test "$$(id -u)" = 0 || { echo 'eBPF needs root: sudo make $(MAKECMDGOALS)' >&2; exit 1; }

bench: need-root all $(O)/bench/pace $(O)/bench/bench_waits $(O)/bench/bench_proto $(O)/bench/bench_otlp $(O)/bench/bench_recent $(O)/bench/collector $(O)/bench/hook $(O)/tests/bench/hook.bpf.o
	$(Q)python3 tests/bench/bench.py --sonde $(O)/sonde --pace $(O)/bench/pace --write $(ARGS)

# the parser alone, no root: ns for each message
bench-parse: $(O)/bench/bench_http1 $(O)/bench/bench_http2 $(O)/bench/bench_proto
	$(Q)$< && $(O)/bench/bench_http2 && $(O)/bench/bench_proto tests/replay/sessions/[!u]*.pcap

# the same of a span, from transaction to request
bench-span: $(O)/bench/bench_otlp
	$(Q)$<

# the last minute: ns for each transaction, ms for each frame of the live view
bench-recent: $(O)/bench/bench_recent
	$(Q)$<

# finding the messages of an HTTP/2 frame: ns for one of either direction, beside 4 to 1,024 others
bench-match: $(O)/bench/bench_match
	$(Q)$<

BENCHES := http1 http2 proto otlp recent waits match
$(O)/bench/bench_http2: $(O)/tests/unit/h2wire.o
$(BENCHES:%=$(O)/bench/bench_%): $(O)/bench/bench_%: $(O)/tests/bench/bench_%.o $(O)/libsonde.a
	$(call msg,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(O)/bench/hook: BENCH_LIBS := -lbpf
$(O)/bench/collector: BENCH_LIBS := -lnghttp2
$(O)/bench/%: tests/bench/%.c Makefile
	$(call msg,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(WARN) $(CFLAGS) -D_GNU_SOURCE $< $(BENCH_LIBS) -o $@

# the two commands in a bare Debian 12 tree; not part of check: it downloads the tree
fresh-check: need-root
	$(Q)tests/deploy/fresh.sh

# the collector's configuration and a collector; not part of check: it downloads 3 GB and compiles it
collector-check: need-root $(O)/sonde
	$(Q)tests/deploy/collector.sh $(O)/sonde

# sonde on other kernels, under emulation: all of them, or those that make check boots. ARGS=--write
# renews docs/kernels.md and tests/vm/verifier.tsv.
VM_BINARIES := $(addprefix $(O)/vm/,guest load netem kept crowd disk quota verifier hooks) $(O)/tests/vm/hooks.bpf.o

vm-build: $(O)/sonde $(VM_BINARIES)

vm-check: vm-build
	$(Q)python3 tests/vm/matrix.py $(O) $(ARGS)

vm-check-short: vm-build
	$(Q)python3 tests/vm/matrix.py $(O) $(ARGS) 6.1 6.12 newest

$(O)/vm/verifier: tests/vm/verifier.c $(O)/user/capture/bare.o $(O)/user/capture/probe_bare.o $(O)/sonde.skel.h
	$(call msg,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(filter %.o,$^) $(LIBS) -o $@

# with the TLS library that programs share: the one that is probed
$(O)/vm/load: tests/vm/load.c tests/vm/secure.c tests/vm/secure.h Makefile
	$(call msg,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(WARN) $(CFLAGS) -D_GNU_SOURCE $(filter %.c,$^) -lssl -lcrypto -o $@

$(O)/vm/hooks: tests/vm/hooks.c Makefile
	$(call msg,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(WARN) $(CFLAGS) -D_GNU_SOURCE $< -lbpf -o $@

$(O)/vm/%: tests/vm/%.c Makefile
	$(call msg,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(WARN) $(CFLAGS) -D_GNU_SOURCE -static $< -o $@

# a configuration that is there already stays
install: $(O)/sonde
	install -D -m 755 $(O)/sonde $(DESTDIR)$(PREFIX)/bin/sonde
	install -D -m 644 docs/sonde.8 $(DESTDIR)$(PREFIX)/share/man/man8/sonde.8
	install -d $(DESTDIR)$(PREFIX)/share/doc/sonde $(DESTDIR)$(UNITDIR)
	install -m 644 LICENSE LICENSE.BSD-2-Clause LICENSE.GPL-2.0 $(DESTDIR)$(PREFIX)/share/doc/sonde
	sed 's,/usr/bin/,$(PREFIX)/bin/,' deploy/systemd/sonde.service > $(DESTDIR)$(UNITDIR)/sonde.service
	test -e $(DESTDIR)/etc/sonde/sonde.yaml || install -D -m 644 deploy/sonde.yaml $(DESTDIR)/etc/sonde/sonde.yaml

# what the administrator may have changed stays: /etc/sonde
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sonde $(DESTDIR)$(PREFIX)/share/man/man8/sonde.8
	rm -f $(DESTDIR)$(UNITDIR)/sonde.service
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/sonde

# a Debian package in build/deb
deb:
	@deploy/build-deb $(O)/deb '$(VERSION)' '$(COMMIT)'

# one program without libraries, in a tarball
dist: $(O)/sonde
	@OBJECTS='$(OBJ)' deploy/dist/build '$(VERSION)' $(O)/dist $(LIBS_PC) $(LIBS_PC_OPTIONAL)

vmlinux/$(ARCH)/vmlinux.h:
	$(call msg,VMLINUX)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@.tmp && mv $@.tmp $@

clean:
	$(call msg,CLEAN)
	$(Q)rm -rf build build-*

.PHONY: all docs fuzz fuzz-build fuzz-parts bench-parse bench-span bench-recent bench-match tests unit format-check deps run check need-root \
	demo load chaos soak bench fresh-check collector-check vm-build vm-check vm-check-short \
	install uninstall deb dist clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(O) -path $(O)/deb -prune -o -type f -name '*.d' -print 2>/dev/null)
