# SPDX-License-Identifier: Apache-2.0
# Sourced: a bare Debian 12 in a folder, with git, make and ca-certificates only, entered by chroot in
# a mount namespace of its own, so that nothing stays mounted. It shares this host's kernel, network
# and processes.
#
#   bare_enter "$@"   first of all: goes on inside the namespace
#   bare_open         makes the tree: $tree
#   bare_tree SUITE   makes another Debian, with nothing beside: $dir/SUITE
#   inside COMMAND    runs it there
#   free_port         of TCP, for a server of this host
#   fetch PORT PATH   what it answers
#
# FRESH_DIR=DIR keeps the bare tree in DIR/base and takes it from there the next time.

bare_enter() {
	[ "${FRESH_INSIDE-}" = "" ] || return 0
	command -v debootstrap >/dev/null || { echo "bare tree: apt-get install debootstrap" >&2; exit 1; }
	exec env FRESH_INSIDE=1 unshare --mount --propagation private "$0" "$@"
}

bare_mirror() {
	local m
	m=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] *\)\{0,1\}\([^ ]*\).*/\2/p' \
		/etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null | grep -m1 'debian/*$' || true)
	echo "${m:-http://deb.debian.org/debian}"
}

bare_close() {
	# the binds first: nothing of the host may be in the tree when it is removed. What ran there and has
	# ended may be in the kernel's hands for a moment yet
	for _ in $(seq 100); do
		! mountpoint -q "$tree" || umount -R "$tree" 2>/dev/null || { sleep 0.1; continue; }
		break
	done
	if mountpoint -q "$tree" || mountpoint -q "$tree/sys"; then
		echo "bare tree: could not unmount $tree; left as it is" >&2
	elif [ -n "${FRESH_DIR-}" ]; then
		rm -rf --one-file-system "$tree"
	else
		rm -rf --one-file-system "$dir"
	fi
}

bare_tree() { # SUITE [INTO [PACKAGES]]
	local into=$dir/${2:-$1}
	[ ! -e "$into/.complete" ] || return 0
	mkdir -p "$dir"
	rm -rf --one-file-system "$into"
	debootstrap --variant=minbase ${3:+--include="$3"} "$1" "$into" "$(bare_mirror)" \
		>"$dir/debootstrap.log" 2>&1 || { tail -n 20 "$dir/debootstrap.log" >&2; return 1; }
	touch "$into/.complete"
}

bare_open() {
	local base
	dir=${FRESH_DIR:-$(mktemp -d)}
	base=$dir/base
	tree=$dir/tree
	trap bare_close EXIT
	trap 'exit 130' INT TERM
	bare_tree bookworm base git,make,ca-certificates || exit 1
	rm -rf --one-file-system "$tree"
	cp -a "$base" "$tree"
	cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
	# who this host trusts, a proxy that signs anew among them; Node asks for a file of its own
	cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
	# security updates as an ordinary installation has them
	if [ -e /etc/apt/sources.list.d/debian.sources ]; then
		rm -f "$tree/etc/apt/sources.list"
		cp /etc/apt/sources.list.d/debian.sources "$tree/etc/apt/sources.list.d/"
	fi
	# what is installed here is thrown away: dpkg need not wait for the disk
	echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/unsafe-io"
	mount --bind "$tree" "$tree" # a root is a mount point: unshare(1) inside relies on it
	mount -t proc proc "$tree/proc"
	mount --rbind /sys "$tree/sys"
	mount --rbind /dev "$tree/dev"
}

inside() {
	chroot "$tree" /usr/bin/env -i HOME=/root TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
		NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
		/bin/sh -c "$1"
}

# as the end-to-end tests choose theirs: no client's own can equal it
free_port() {
	(cd "$(dirname "${BASH_SOURCE[0]}")/../e2e" &&
		/usr/bin/python3 -B -c 'from harness.proc import free_port; print(free_port())')
}

# the answer of a server on this host, with bash alone
fetch() { # PORT PATH
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
	printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
	cat <&3
	exec 3>&-
}
