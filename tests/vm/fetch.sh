#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fetch.sh DIR SUITE:PREFIX...: kernels to try sonde on, and the QEMU to boot them with. Debian's
# cloud kernels, taken with an apt state of its own and unpacked under DIR; nothing is installed,
# what is there already is not fetched again. Prints `qemu COMMAND...` and for each kernel
# `kernel PREFIX RELEASE FOLDER` with vmlinuz and sch_netem.ko in it; fails when one cannot be had.
set -eu
dir=$(mkdir -p "$1" && cd "$1" && pwd)
shift
mkdir -p "$dir/deb" "$dir/kernel"

uris() {
	sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] *\)\{0,1\}\([^ ]*\).*/\2/p' /etc/apt/sources.list \
		/etc/apt/sources.list.d/debian.sources 2>/dev/null || true
}
mirror=$(uris | grep -m1 'debian/*$' || echo http://deb.debian.org/debian)
keyring='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
security=$(uris | grep -m1 'debian-security/*$' || echo "${mirror%/}-security")

# apt SUITE[,SUITE...] COMMAND...: with these suites alone, in a state of its own; as if nothing were
# installed unless $status says otherwise. A mirror that stands still will do.
apt() {
	local suites=$1 tool=$2 suite state=$dir/apt/$1
	shift 2
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	for suite in ${suites//,/ }; do
		case $suite in
		*-security) echo "deb $keyring $security $suite main" ;;
		*) echo "deb $keyring $mirror $suite main" ;;
		esac
	done >"$state/sources.list"
	"$tool" -qq -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::Lists="$state/lists" -o Dir::Cache="$state/cache" \
		-o Dir::State::status="${status:-/dev/null}" -o APT::Sandbox::User=root \
		-o Acquire::Check-Valid-Until=false "$@"
}

# the lists of a suite age: a kernel that left the mirror is looked for again
update() {
	[ -n "$(find "$dir/apt/$1/updated" -mtime -7 2>/dev/null)" ] && return
	apt "$1" apt-get update >&2
	touch "$dir/apt/$1/updated"
}

# The newest cloud kernel of a suite whose version begins with the prefix. Packages of a megabyte
# and more are kernels, smaller ones only depend on them; linux-binary-* since 6.19.
newest() {
	apt "$1" apt-cache dumpavail | awk -v RS= -v prefix="$2" '{
		name = version = ""; size = 0
		n = split($0, line, "\n")
		for (i = 1; i <= n; i++) {
			if (line[i] ~ /^Package: /) name = substr(line[i], 10)
			if (line[i] ~ /^Version: /) version = substr(line[i], 10)
			if (line[i] ~ /^Size: /) size = substr(line[i], 7) + 0
		}
		if (name ~ /^linux-(image|binary)-[0-9][^ ]*-cloud-amd64$/ && size > 1000000 &&
		    index(version, prefix) == 1)
			print version, name
	}' | sort -V | tail -n 1 | cut -d' ' -f2
}

kernel() {
	local suite=$1 prefix=$2 name release tree
	# what was unpacked before serves as long as it is young
	tree=$(find "$dir/kernel" -mindepth 1 -maxdepth 1 -name "$suite@*" -mtime -7 | sort -V | tail -n 1)
	[ -e "$tree/sch_netem.ko" ] || tree=
	if [ -z "$tree" ]; then
		update "$suite"
		name=$(newest "$suite" "$prefix")
		[ -n "$name" ] || { echo "fetch: $suite has no kernel $prefix" >&2; exit 1; }
		tree=$dir/kernel/$suite@${name#linux-*-}
		rm -rf "$dir/unpacked" "$dir/kernel/$suite@"*
		unpack "$suite" "$name"
		[ -n "$(unpacked 'sch_netem.ko*')" ] ||
			unpack "$suite" "linux-modules-${name#linux-*-}"
		mkdir -p "$tree"
		mv "$(unpacked 'vmlinuz*')" "$tree/vmlinuz"
		module "$(unpacked 'sch_netem.ko*')" >"$tree/netem.tmp"
		mv "$tree/netem.tmp" "$tree/sch_netem.ko"
		rm -rf "$dir/unpacked"
	fi
	release=${tree##*@}
	echo "kernel ${prefix:-newest} $release $tree"
}

unpack() {
	(cd "$dir/deb" && apt "$1" apt-get download "$2" >&2)
	dpkg-deb -x "$dir/deb/$2"_*.deb "$dir/unpacked"
	rm -f "$dir/deb/$2"_*.deb
}

unpacked() { find "$dir/unpacked" -name "$1" | head -n 1; }

module() {
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# QEMU 10 or later: under emulation 7.2 miscomputes flags for 6.12 guests, one boot in five dies
qemu() {
	local have q=$dir/qemu suites=bookworm,bookworm-backports
	have=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
	if [ "${have:-0}" -ge 10 ]; then
		echo "qemu qemu-system-x86_64"
		return
	fi
	if [ ! -e "$q/complete" ]; then
		# with what this host has installed: only the libraries it lacks come along
		update $suites
		status=/var/lib/dpkg/status apt $suites apt-get install -y --download-only \
			--no-install-recommends -t bookworm-backports qemu-system-x86 >&2
		rm -rf "$q"
		mkdir -p "$q"
		for package in "$dir/apt/$suites/cache/archives"/*.deb; do
			dpkg-deb -x "$package" "$q"
		done
		rm -f "$dir/apt/$suites/cache/archives"/*.deb
		touch "$q/complete"
	fi
	echo "qemu env LD_LIBRARY_PATH=$q/usr/lib/x86_64-linux-gnu:$q/lib/x86_64-linux-gnu" \
		"$q/usr/bin/qemu-system-x86_64 -L $q/usr/share/qemu -L $q/usr/share/seabios"
}

qemu
for wanted; do
	kernel "${wanted%%:*}" "${wanted#*:}"
done
