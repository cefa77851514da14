#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fresh.sh [run|check|all]: the README's two commands in a bare Debian 12 that has git, make and
# ca-certificates only. STAGES="gcc unit" runs these stages of check only. FRESH_DIR: see bare.sh.
set -eu
. "$(dirname "$0")/bare.sh"
bare_enter "$@"
what=${1:-all}
repo=$(cd "$(dirname "$0")/../.." && pwd)
port=${FRESH_PORT:-19464}

bare_open
echo "fresh: $(chroot "$tree" dpkg-query -W | wc -l) packages"
git -c safe.directory='*' clone -q --no-hardlinks "$repo" "$tree/root/sonde"

failed=0
if [ "$what" != check ]; then
	log=$dir/run.log
	start=$SECONDS
	inside "cd /root/sonde && exec make run ARGS='--listen 127.0.0.1:$port --duration 12s'" >"$log" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null && ! grep -q '^sonde: observing' "$log"; do sleep 0.5; done
	took=$((SECONDS - start))
	metrics=$(fetch $port /metrics 2>/dev/null) || metrics=
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
	if inside "cd /root/sonde && make check STAGES='${STAGES-}'" 2>&1 | tee "$dir/check.log" | sed -u 's/^/  /' &&
		tail -n 1 "$dir/check.log" | grep -q ', 0 failed$'; then
		echo "ok make check: $((SECONDS - start)) s"
	else
		echo "FAIL make check: $((SECONDS - start)) s"
		failed=1
	fi
fi
exit $failed
