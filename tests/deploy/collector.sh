#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# collector.sh SONDE: what collector.py asks, of a collector built from the libraries that Debian
# unstable has of it (no release has them), in a bare tree of it. 3.3 GB in FRESH_DIR, and minutes: no
# part of make check, because unstable moves. FRESH_DIR: see bare.sh.
set -eu
. "$(dirname "$0")/bare.sh"
bare_enter "$@"
here=$(cd "$(dirname "$0")" && pwd)
dir=${FRESH_DIR:-$(mktemp -d)}
tree=$dir/sid
close_tree() {
	umount "$tree/proc" || true
	[ -n "${FRESH_DIR-}" ] || rm -rf --one-file-system "$dir"
}
trap close_tree EXIT
trap 'exit 130' INT TERM

# the libraries and a compiler, in the tree; nothing of the host is in it but /proc
install_collector() {
	cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
	cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
	inside "DEBIAN_FRONTEND=noninteractive exec apt-get install -y -qq --no-install-recommends golang-go \
		golang-opentelemetry-collector-dev"
}

build_collector() {
	cp "$here/collector.go" "$tree/root/"
	inside "cd /root && exec env GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 \
		nice -n 15 go build -o otelcol collector.go"
}

bare_tree sid
mount -t proc proc "$tree/proc"
install_collector >"$dir/collector.log" 2>&1 || { tail -n 20 "$dir/collector.log" >&2; exit 1; }
build_collector
echo "collector $(inside "dpkg-query -f '\${Version}' -W golang-opentelemetry-collector-dev")"
/usr/bin/python3 "$here/collector.py" "$1" "$tree/root/otelcol"
