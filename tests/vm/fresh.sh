#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fresh.sh [run|check|all]: the README's two commands in a bare Debian 12 that has git, make and
# ca-certificates only: a debootstrap tree, entered by chroot in a mount namespace of its own, so
# that nothing stays mounted. It shares this host's kernel, network and processes.
#
# STAGES="gcc unit" runs these stages of check only. FRESH_DIR=DIR keeps the bare tree in DIR/base
# and takes it from there the next time.
set -eu
what=${1:-all}
repo=$(cd "$(dirname "$0")/../.." && pwd)
suite=bookworm
port=${FRESH_PORT:-19464}

if [ "${FRESH_INSIDE-}" = "" ]; then
	command -v debootstrap >/dev/null || { echo "fresh: apt-get install debootstrap" >&2; exit 1; }
	exec env FRESH_INSIDE=1 unshare --mount --propagation private "$0" "$@"
fi

dir=${FRESH_DIR:-$(mktemp -d)}
base=$dir/base
tree=$dir/tree
mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] *\)\{0,1\}\([^ ]*\).*/\2/p' \
	/etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null | grep -m1 'debian/*$' || true)
mirror=${mirror:-http://deb.debian.org/debian}

cleanup() {
	# the binds first: nothing of the host may be in the tree when it is removed
	! mountpoint -q "$tree" || umount -R "$tree" || true
	if mountpoint -q "$tree" || mountpoint -q "$tree/sys"; then
		echo "fresh: could not unmount $tree; left as it is" >&2
	elif [ -n "${FRESH_DIR-}" ]; then
		rm -rf --one-file-system "$tree"
	else
		rm -rf --one-file-system "$dir"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ ! -e "$base/.complete" ]; then
	mkdir -p "$dir"
	rm -rf --one-file-system "$base"
	debootstrap --variant=minbase --include=git,make,ca-certificates "$suite" "$base" "$mirror" \
		>"$dir/debootstrap.log" 2>&1 || { tail -n 20 "$dir/debootstrap.log" >&2; exit 1; }
	touch "$base/.complete"
fi
rm -rf --one-file-system "$tree"
cp -a "$base" "$tree"
echo "fresh: $suite, $(chroot "$tree" dpkg-query -W | wc -l) packages"

cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
# security updates as an ordinary installation has them
if [ -e /etc/apt/sources.list.d/debian.sources ]; then
	rm -f "$tree/etc/apt/sources.list"
	cp /etc/apt/sources.list.d/debian.sources "$tree/etc/apt/sources.list.d/"
fi
mount --bind "$tree" "$tree" # a root is a mount point: unshare(1) inside relies on it
mount -t proc proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount --rbind /dev "$tree/dev"
git -c safe.directory='*' clone -q --no-hardlinks "$repo" "$tree/root/sonde"

inside() {
	chroot "$tree" /usr/bin/env -i HOME=/root TERM=dumb PATH=/usr/bin:/bin LANG=C.UTF-8 \
		/bin/sh -c "cd /root/sonde && $1"
}

fetch() { # the exposition, with bash alone
	exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
	printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3
	cat <&3
	exec 3>&-
}

failed=0
if [ "$what" != check ]; then
	log=$dir/run.log
	start=$SECONDS
	inside "exec make run ARGS='--listen 127.0.0.1:$port --duration 12s'" >"$log" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null && ! grep -q '^sonde: observing' "$log"; do sleep 0.5; done
	took=$((SECONDS - start))
	metrics=$(fetch /metrics 2>/dev/null) || metrics=
	rc=0
	wait $pid || rc=$?
	sed 's/^/  /' "$log"
	if [ $rc = 0 ] && grep -q '^sonde_build_info' <<<"$metrics"; then
		echo "ok make run: observing after $took s"
	else
		echo "FAIL make run: exit $rc, $(wc -l <<<"$metrics") lines of metrics"
		failed=1
	fi
fi
if [ "$what" != run ]; then
	start=$SECONDS
	if inside "make check STAGES='${STAGES-}'" 2>&1 | tee "$dir/check.log" | sed -u 's/^/  /' &&
		tail -n 1 "$dir/check.log" | grep -q ', 0 failed$'; then
		echo "ok make check: $((SECONDS - start)) s"
	else
		echo "FAIL make check: $((SECONDS - start)) s"
		failed=1
	fi
fi
exit $failed
