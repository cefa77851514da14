#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tarball of `make dist`: the same twice, and its program observes in a tree that holds nothing
# else, in a bare Debian 12 and in the Debian after it. DIST_SUITES="bullseye sid": in these. FRESH_DIR: see
# bare.sh.
set -eu
. "$(dirname "$0")/bare.sh"
. "$(dirname "$0")/verdict.sh"
bare_enter "$@"
top=$(cd "$(dirname "$0")/../.." && pwd)
objects=$(dirname "${1:-$top/build/sonde}")
objects=${objects#"$top/"}
cd "$top"
port=$(free_port) web=$(free_port) requests=20

dist() { make -s --no-print-directory -C "$top" O="$objects" dist; }

needs_no_library() { ! readelf -d "$tar_tree/sonde" | grep -q NEEDED; }

is_the_same_again() {
	mkdir -p "$dir/once" && mv "$tarball" "$dir/once" && dist && cmp "$tarball" "$dir/once/${tarball##*/}"
}

says_its_version() { [ "$("$tar_tree/sonde" version | head -n 1 | cut -d' ' -f2)" = "$version" ]; }

exports_over_tls() { "$tar_tree/sonde" version | grep -i otlp | grep -qvi 'not in this build'; }

counts() { # METRICS
	awk -v want=$requests '/^http_server_request_duration_seconds_count/ { n += $NF }
		END { print n + 0, "requests"; exit n != want }' <<<"$1"
}

# so many requests to a server of this host are so many in its metrics
observes_in() { # TREE
	local log=$dir/run.log metrics= pid
	cp "$tar_tree/sonde" "$1/sonde"
	chroot "$1" /sonde run --listen "127.0.0.1:$port" --port "$web" --tls off --duration 60s >"$log" 2>&1 &
	pid=$!
	for _ in $(seq 300); do
		! grep -q '^sonde: observing' "$log" || break
		kill -0 $pid || break
		sleep 0.1
	done
	for _ in $(seq $requests); do fetch $web / >/dev/null; done
	for _ in $(seq 20); do
		sleep 0.5
		metrics=$(fetch $port /metrics) || true
		! counts "$metrics" >/dev/null || break
	done
	kill $pid
	wait $pid || { cat "$log"; return 1; }
	counts "$metrics"
}

# the live view, in a terminal: it has the terminal's description from where it runs
paints_in() { # TREE
	local shown=$dir/shown keys=$dir/keys pid
	rm -f "$shown" "$keys"
	mkfifo "$keys"
	exec 4<>"$keys"
	script -qfec "stty cols 100 rows 30; exec chroot '$1' /usr/bin/env -i TERM=xterm-256color \
		LANG=C.UTF-8 /sonde top --port $web --tls off --duration 60s" "$shown" <"$keys" >/dev/null 2>"$dir/top.log" &
	pid=$!
	for _ in $(seq 300); do
		! grep -aq '[1-9] service' "$shown" || break
		kill -0 $pid 2>/dev/null || break
		fetch $web / >/dev/null || true
		sleep 0.1
	done
	printf q >&4
	wait $pid || { cat "$dir/top.log" "$shown"; return 1; }
	exec 4>&-
	grep -aq 'SERVICE' "$shown" && grep -aq '[1-9] service' "$shown" && grep -aq 'events/s' "$shown"
}

bare_open
version=$(sed -n 's/^VERSION := //p' "$top/Makefile")
tarball=$(dist | tail -n 1)
tar -xzf "$tarball" -C "$dir"
tar_tree=$dir/$(basename "$tarball" .tar.gz)
cat >"$dir/server.py" <<'PY'
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
/usr/bin/python3 "$dir/server.py" $web &
server=$!
trap 'kill $server; bare_close' EXIT
for _ in $(seq 50); do
	fetch $web / >/dev/null 2>&1 && break
	sleep 0.1
done

check "program needs no library" needs_no_library
check "tarball is the same again" is_the_same_again
check "program says its version" says_its_version
check "program exports over OTLP" exports_over_tls
check "program observes in a bare Debian 12" observes_in "$tree"
check "program paints in a bare Debian 12" paints_in "$tree"

empty=$dir/empty
mkdir -p "$empty/proc" "$empty/sys"
mount -t proc proc "$empty/proc"
mount --rbind /sys "$empty/sys"
check "program observes where nothing else is" observes_in "$empty"
umount -R "$empty/sys" "$empty/proc"

for suite in ${DIST_SUITES:-trixie}; do
	other=$dir/$suite
	bare_tree "$suite" || true
	mount -t proc proc "$other/proc"
	mount --rbind /sys "$other/sys"
	check "program observes in a bare Debian, $suite" observes_in "$other"
	umount -R "$other/sys" "$other/proc"
done
exit $((failed > 0))
