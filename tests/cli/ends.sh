#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ends.sh [SONDE]: how observing commands end, and what they say while they live. Needs root.
set -u
cd "$(dirname "$0")/../.." || exit 1
sonde=$(realpath "${1:-build/sonde}")
if [ "$(id -u)" != 0 ]; then
	echo "ends.sh: needs root" >&2
	exit 1
fi
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
passed=0 failed=0
export http_proxy= no_proxy='*'

verdict() { # NAME RC
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $1"
		sed 's/^/     /' "$dir/err"
	fi
}

ms() { date +%s%3N; }

# until_says WORDS: waits for them on stderr
until_says() {
	for _ in $(seq 400); do
		grep -q -- "$1" "$dir/err" && return 0
		sleep 0.05
	done
	return 1
}

begin() { # ARG...: starts sonde, waits until it observes
	: >"$dir/err"
	"$sonde" "$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	until_says '^sonde: observing (socket tier, [0-9]* of [0-9]* programs'
	verdict "$* begins with the line that it observes" $?
}

# lives: it is no zombie yet
lives() { [ -e "/proc/$pid" ] && ! grep -q '^State:.[ZX]' "/proc/$pid/status" 2>/dev/null; }

# kept_ms: for how long it was ready and others ran; nothing once it is gone
kept_ms() { awk '{ print int($2 / 1e6) }' "/proc/$pid/schedstat" 2>/dev/null; }

# ends EXIT NAME: within 2 s in which it may have a processor
ends() {
	local begun first last rc took
	begun=$(ms) first=$(kept_ms) last=
	while lives && [ $(($(ms) - begun)) -lt 10000 ]; do
		last=$(kept_ms)
		sleep 0.02
	done
	! lives || kill -KILL "$pid"
	wait "$pid"
	rc=$?
	pid=
	took=$(($(ms) - begun - (${last:-${first:-0}} - ${first:-0})))
	[ "$rc" = "$1" ] && [ "$took" -lt 2000 ]
	verdict "$2: exit $rc (wanted $1) after $took ms in which it had a processor" $?
}

port=$(/usr/bin/python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
for signal in TERM INT; do
	begin run --listen "127.0.0.1:$port"
	grep -q "http://127.0.0.1:$port/metrics" "$dir/err"
	verdict "run says where it serves" $?
	kill -s $signal "$pid"
	ends 0 "run ends by SIG$signal"
done

begin run --listen "127.0.0.1:$port"
"$sonde" run --listen "127.0.0.1:$port" 2>"$dir/err2"
[ $? = 1 ] && [ "$(wc -l <"$dir/err2")" = 1 ] && grep -q "$port: Address already in use" "$dir/err2"
verdict "a port in use is one line and exit 1" $?
timeout 5 "$sonde" tail --port 1 --duration 100ms 2>/dev/null
verdict "two observe at once" $?
kill -s HUP "$pid"
until_says 'configuration read again'
verdict "SIGHUP reads the configuration again" $?
kill -s TERM "$pid"
ends 0 "run ends after SIGHUP"

# asked after it was told to end: it is not ready any more
begin run --listen "127.0.0.1:$port"
kill -s STOP "$pid"
kill -s TERM "$pid"
curl -s -m 20 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/readyz" >"$dir/code" &
asker=$!
# the request has arrived: its bytes wait in a socket that nobody has accepted yet
for _ in $(seq 250); do
	[ "$(ss -Htn state established "sport = :$port" | awk '{ n += $1 } END { print n + 0 }')" = 0 ] || break
	sleep 0.02
done
kill -s CONT "$pid"
wait "$asker"
code=$(cat "$dir/code")
[ "$code" = 503 ]
verdict "/readyz answers 503 while run ends, not $code" $?
ends 0 "run ends after an answer"

# what cannot change is named, what is wrong leaves all as it was
printf 'log-level: info\n' >"$dir/sonde.yaml"
begin run --listen off --config "$dir/sonde.yaml"
printf 'log-level: info\nmax-series: 7\n' >"$dir/sonde.yaml"
kill -s HUP "$pid"
until_says 'max-series changed: takes effect when sonde is started again'
verdict "SIGHUP names what waits for a start" $?
printf 'log-levle: info\n' >"$dir/sonde.yaml"
kill -s HUP "$pid"
until_says 'log-levle: no such key; did you mean log-level?' &&
	until_says 'the configuration stays as it was'
verdict "SIGHUP with a mistake changes nothing" $?
kill -s TERM "$pid"
ends 0 "run ends after a wrong SIGHUP"

begin tail --port "$port" --duration 300ms
ends 0 "tail ends by --duration"

begin record "$dir/a.rec" --port "$port"
[ "$(stat -c %a "$dir/a.rec")" = 600 ] && grep -q 'secrets included' "$dir/err"
verdict "a recording is 0600 and warned of" $?
kill -s INT "$pid"
ends 0 "record ends by SIGINT"
"$sonde" replay "$dir/a.rec" >"$dir/out" 2>"$dir/err"
verdict "what record left can be replayed" $?

"$sonde" record "$dir/none/a.rec" 2>"$dir/err"
[ $? = 1 ] && [ "$(grep -c . "$dir/err")" = 1 ]
verdict "a recording that cannot be created is one line and exit 1" $?

# a recording is all that record does: where it cannot go on neither does record
: >"$dir/err"
timeout 30 "$sonde" record /dev/full --port "$port" 2>"$dir/err" --duration 200ms
rc=$?
[ "$rc" = 1 ] && grep -q 'cannot write the recording /dev/full: No space left' "$dir/err" &&
	grep -q 'the recording is not complete' "$dir/err" && grep -q '^sonde: 0 events' "$dir/err"
verdict "record says what a full disk left of it: exit $rc" $?

# a reader that is gone ends it quietly, though nothing is there to be written
: >"$dir/err"
timeout 30 "$sonde" tail --port "$port" 2>"$dir/err" | true
rc=${PIPESTATUS[0]}
[ "$rc" = 0 ] && [ "$(wc -l <"$dir/err")" = 1 ]
verdict "tail ends quietly when nobody reads: exit $rc" $?

# one that does not read holds up neither the end nor the observed
python3 -m http.server -d "$dir" -b 127.0.0.1 "$port" >/dev/null 2>&1 &
server=$!
mkfifo "$dir/fifo"
sleep 120 <"$dir/fifo" &
sleeper=$!
: >"$dir/err"
"$sonde" tail --json --port "$port" >"$dir/fifo" 2>"$dir/err" &
pid=$!
until_says '^sonde: observing'
for _ in $(seq 4); do
	curl -s -o /dev/null "http://127.0.0.1:$port/[1-80]$(printf %0200d 7)"
done
sleep 0.3
kill -s TERM "$pid"
ends 0 "tail ends by SIGTERM while its reader sleeps"
kill "$sleeper" "$server"
wait "$sleeper" "$server" 2>/dev/null

"$sonde" top --once --port "$port" --duration 200ms >"$dir/out" 2>"$dir/err" &&
	grep -q '^SERVICE  *ROLE  *RATE/S' "$dir/out" && ! grep -q $'\033' "$dir/out"
verdict "top --once prints a table without colours" $?
"$sonde" top --json --port "$port" --duration 200ms 2>"$dir/err" |
	python3 -c 'import json, sys; json.load(sys.stdin)["services"]'
verdict "top --json prints JSON" $?
"$sonde" check --json 2>"$dir/err" | python3 -c '
import json, sys
c = json.load(sys.stdin)
assert c["can_run"] is True and c["tier"] == "socket" and c["programs"]'
verdict "check --json prints JSON" $?
"$sonde" check --pid $$ >"$dir/out" 2>"$dir/err" && grep -q "^process $$ (" "$dir/out"
verdict "check --pid tells of the process" $?

if command -v setpriv >/dev/null; then
	bare=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all
		--bounding-set=-all)
	cp "$sonde" "$dir/sonde" && chmod 755 "$dir" "$dir/sonde"
	"${bare[@]}" "$dir/sonde" tail 2>"$dir/err"
	[ $? = 1 ] && [ "$(wc -l <"$dir/err")" = 1 ] && grep -q 'CAP_BPF' "$dir/err"
	verdict "missing rights are one line and exit 1" $?
	"${bare[@]}" "$dir/sonde" check >"$dir/out" 2>"$dir/err"
	[ $? = 1 ] && grep -q 'cannot work: .*CAP_BPF' "$dir/out"
	verdict "check without rights says which and exits 1" $?
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
