#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The image of deploy/Dockerfile without Docker: its last stage, line by line, on a bare Debian 12, and its
# entry point there, on a read-only root, with the user and the capabilities of the manifests and nothing
# beside; then as the container that the DaemonSet asks for (pod.py). FRESH_DIR: see bare.sh.
set -eu
. "$(dirname "$0")/bare.sh"
. "$(dirname "$0")/verdict.sh"
bare_enter "$@"
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
port=$(free_port)
build=$(dirname "${1:-$top/build/sonde}")

# from the last FROM on, an instruction a line
last_stage() {
	sed -e ':a; /\\$/ { N; s/\\\n */ /; ba }' deploy/Dockerfile | grep -v '^#' | sed -n '/^FROM/h; /^FROM/!H; ${x; p}'
}

# a list in JSON as words
words() { sed 's/^[A-Z]* *//; s/[][",]/ /g' <<<"$1"; }

# what the first stage leaves for it: the sources and what is installed of them
copy() { # FROM TO
	case $1 in
	/src/*) cp "$top/${1#/src/}" "$tree$2" ;;
	/out/*) mkdir -p "$(dirname "$tree$2")" && cp -r "$dir/out/${1#/out/}" "$tree$2" ;;
	*) echo "no $1 in the first stage"; return 1 ;;
	esac
}

make_stage() {
	local line
	rm -rf "$dir/out"
	make -s --no-print-directory O="${build#"$top/"}" install DESTDIR="$dir/out" PREFIX=/usr || return 1
	while read -r line; do
		case $line in
		FROM\ debian:bookworm-slim) ;;
		COPY\ --from=build\ *) copy ${line#COPY --from=build } ;;
		RUN\ *) inside "${line#RUN }" </dev/null ;;
		USER\ *) user=${line#USER } ;;
		EXPOSE\ *) ;;
		ENTRYPOINT\ *) entry=$(words "$line") ;;
		CMD\ *) args=$(words "$line") ;;
		*) echo "not known here: $line"; return 1 ;;
		esac || return 1
	done < <(last_stage)
}

# runs ENTRYPOINT and CMD at another port; SETPRIV... are the rights
starts() {
	local metrics= ready=
	chroot "$tree" setpriv "$@" --no-new-privs $entry ${args/:9464/:$port} --duration 6s >"$dir/run.log" 2>&1 &
	for _ in $(seq 300); do
		! grep -q '^sonde: observing' "$dir/run.log" || break
		kill -0 $! 2>/dev/null || break
		sleep 0.1
	done
	ready=$(fetch $port /readyz 2>/dev/null) || true
	metrics=$(fetch $port /metrics 2>/dev/null) || true
	wait $! || { cat "$dir/run.log"; return 1; }
	grep -q '^sonde_build_info' <<<"$metrics" && grep -q ' 200 ' <<<"$ready" || { cat "$dir/run.log"; return 1; }
}

capabilities() { # of the manifest, as setpriv takes them
	sed -n 's/^ *add: \[\(.*\)\]/\1/p' deploy/kubernetes/daemonset.yaml | tr 'A-Z' 'a-z' | sed 's/^/+/; s/, /,+/g'
}

bare_open
user= entry= args=
log=$dir/image.log
make_stage >"$log" 2>&1 && made=true || { made=false; tail -n 20 "$log"; }
check "image: its last stage can be made" $made
caps=$(capabilities)
check "image: the manifest names capabilities" test -n "$caps"
check "image: it is not for root" test "$user" = 65534:65534
mount -o remount,bind,ro "$tree"
check "image: it starts as its user, with the capabilities of the manifest" starts --reuid="${user%:*}" \
	--regid="${user#*:}" --clear-groups --inh-caps="-all,$caps" --ambient-caps="-all,$caps" --bounding-set="-all,$caps"
check "image: it starts as root that has these alone" starts --inh-caps="-all,$caps" --bounding-set="-all,$caps"
mount -o remount,bind,rw "$tree"
tests/deploy/pod.py "$tree" $entry || failed=$((failed + 1))
exit $((failed > 0))
