#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check.sh [STAGE...]: every test of the project, stage by stage, each with its output in
# build/check/STAGE.log. Ends with one closing line, "N passed, N failed", the sum of all; what a
# stage counts is its tests; a build or the format check counts as one. make check installs what
# is needed first.
set -u
cd "$(dirname "$0")/.." || exit 1
# the variables of the make above belong to its build, not to ours
unset MAKEFLAGS MFLAGS MAKELEVEL O CC SAN

logs=build/check
fuzz_seconds=${FUZZ_SECONDS:-25}
passed=0 failed=0
wrong= # a line for each test that failed

# -k: what does not depend on a failure is still built and tested
make_all() { timeout 2000 make -k --no-print-directory -j"$(nproc)" "$@"; }

stage_gcc() { make_all CC=gcc O=build all tests vm-build; }
stage_clang() { make_all CC=clang O=build-clang all tests; }
stage_san() { make_all SAN=address,undefined O=build-san tests; }
stage_format() { make_all format-check; }
stage_unit() { unit_tests build; }
stage_unit-san() { ASAN_OPTIONS=detect_stack_use_after_return=1 unit_tests build-san; }

# what every session of the tree is taken for, seen in every way; its table is printed
stage_unit-confusion() { timeout 300 build/tests/test_confusion; }

# cmocka prints its sums in brackets; a program that dies without one counts as a failure, and so does
# a test that was skipped: it said nothing about the program
unit_tests() {
	local rc
	export out=$logs/$1
	rm -rf "$out"
	mkdir -p "$out"
	find "$1/tests" -maxdepth 1 -type f -executable -name 'test_*' | sort | xargs -P "$(nproc)" -I{} bash -c '
		name=$(basename {})
		exec >"$out/$name" 2>&1
		echo "== $name"
		timeout 900 {} || { echo "FAIL $name: exit $?"; exit 1; }'
	rc=$?
	cat "$out"/test_*
	return $rc
}

stage_cli() { each tests/cli/*; }
# the bare tree is made once
stage_deploy() { FRESH_DIR=$PWD/build-bare each tests/deploy/test_*; }

# each executable is a test, or prints lines of its own
each() {
	local t since rc=0
	for t; do
		[ -f "$t" ] && [ -x "$t" ] || continue
		since=$SECONDS
		if timeout -k 10 600 "$t" build/sonde; then
			echo "ok ${t##*/} $((SECONDS - since)) s"
		else
			echo "FAIL ${t##*/}: exit $? (after $((SECONDS - since)) s)"
			rc=1
		fi
	done
	return $rc
}

# a fuzzer takes an input for endless that it is kept from for so long, and beside others it is kept
# from the processors now and then
stage_fuzz-build() { make_all fuzz-build; }
stage_fuzz() {
	fuzz FUZZ_TIMEOUT=60 FUZZ_TARGETS="$(printf 'build-fuzz/%s ' $(fuzz_targets | grep -vx server))"
}
# it reads from sockets, which e2e would observe
stage_fuzz-server() { fuzz FUZZ_TARGETS=build-fuzz/server; }
fuzz_targets() { basename -s .c tests/fuzz/fuzz_*.c | sed 's/^fuzz_//'; }
fuzz() {
	timeout 2000 make --no-print-directory -j"$(nproc)" fuzz FUZZ_SECONDS="$fuzz_seconds" "$@"
}

# kernels this host does not run; what cannot be fetched fails
stage_vm() { make_all vm-check-short; }
stage_fetch() { make_all vm-check-short ARGS=--fetch; }

# what cases in Go, Rust and Node need is compiled and fetched before they run; what judges times runs
# when nothing else does
stage_e2e-build() { end_to_end --build; }
stage_e2e() { end_to_end --times no; }
stage_e2e-times() { end_to_end --times only; }
# in the other tier the cases that share one sonde, every protocol among them; all of them, by name
stage_e2e-syscall() { end_to_end --tier syscall nothing-lost run-and-tail-agree \
	client-contains-server replay-identical replay-prefix sigterm-ends-in-time; }
stage_e2e-syscall-whole() { end_to_end --tier syscall; }

end_to_end() {
	timeout -k 30 1500 /usr/bin/python3 tests/e2e/run.py "$@"
}

# count STAGE RC SECONDS: adds the log's sums to passed and failed
count() {
	local log=$logs/$1.log p=0 f=0
	case $1 in
	unit*)
		p=$(awk '/^\[  PASSED  \]/ { n += $4 } END { print n + 0 }' "$log")
		f=$(awk '/^\[  (FAILED|SKIPPED) +\] [0-9]+ test/ { n += $4 } END { print n + 0 }' "$log")
		;;
	*)
		p=$(awk '/^[0-9]+ passed, [0-9]+ failed$/ { n += $1 } END { print n + 0 }' "$log")
		f=$(awk '/^[0-9]+ passed, [0-9]+ failed$/ { n += $3 } END { print n + 0 }' "$log")
		[ $((p + f)) -gt 0 ] || p=$(grep -c '^ok ' "$log")
		[ "$f" -gt 0 ] || f=$(grep -c '^FAIL ' "$log")
		;;
	esac
	# a failure is never lost, and a stage that ran nothing did not pass
	[ "${2-1}" = 0 ] || [ "$f" -gt 0 ] || f=1
	case $1 in
	gcc|clang|san|format|fetch|*-build) p=$((1 - f)) ;;
	*) [ $((p + f)) -gt 0 ] || f=1 ;;
	esac
	passed=$((passed + p)) failed=$((failed + f))
	printf '%-4s %-14s %4d s  %d passed, %d failed\n' "$([ "$f" = 0 ] && echo ok || echo FAIL)" \
		"$1" "${3-0}" "$p" "$f"
	[ "$f" = 0 ] || reasons "$1"
}

# reasons STAGE: what is printed must be enough to know why: the log itself stays on that machine
reasons() {
	local log=$logs/$1.log
	case $1 in
	gcc|clang|san|format|fetch|*-build)
		grep -m 30 -E -A 4 'error:|undefined reference|\*\*\*' "$log" | cut -c 1-400 ;;
	*)
		awk -f tests/reasons.awk "$log" | head -n 150 ;;
	esac
	echo "-- the end of $log:"
	tail -n 12 "$log" | cut -c 1-400
	wrong+="  $1"$'\n'$(awk '/^FAIL |^\[  (FAILED|SKIPPED) +\] [^0-9]/ {
		sub(/^(FAIL|\[[^]]*\]) */, ""); sub(/: .*/, ""); print "    " $0 }' "$log" |
		sort -u | head -n 40)
	wrong=${wrong%$'\n'}$'\n'
}

# run STAGE: its log, and beside it what came of it and after how long
run() {
	local since=$SECONDS
	"stage_$1" >"$logs/$1.log" 2>&1 </dev/null
	echo $? $((SECONDS - since)) >"$logs/$1.end"
}

show() {
	count "$1" $(cat "$logs/$1.end")
	[ "$1" != unit-confusion ] || sed -n '/^ *http/,/^$/p' "$logs/$1.log"
	# precision and recall of the links between spans
	[ "$1" != e2e ] || grep '^|' "$logs/$1.log"
}

all() { for s; do run "$s" && show "$s"; done; }

# await STAGE PID: its end, or that of who runs it
await() {
	while ! [ -e "$logs/$1.end" ] && kill -0 "$2" 2>/dev/null; do sleep 0.2; done
}

# What only computes is done beside what mostly waits, when nothing else wants a processor: SCHED_IDLE
# gives way at once, and so does a session of the least weight where each has its own share. What is
# left of it when nothing waits any more has the processors like everybody else.
# FIRST runs beside all of it, THEN beside what is behind STAGE.
beside() { # COMPUTES FIRST STAGE THEN
	local computes=$1 pid s
	RUN_ONLY=yes setsid chrt --idle 0 tests/check.sh $computes &
	pid=$!
	trap "kill -- -$pid" EXIT
	all $2
	await "$3" $pid
	all $4
	ordinary $pid
	wait $pid
	trap - EXIT
	for s in $computes; do show "$s"; done
}

# ordinary SESSION: twice, since who begins meanwhile has its parent's class
ordinary() {
	local p
	! [ -e "/proc/$1/autogroup" ] || echo 0 >"/proc/$1/autogroup"
	for p in $(ps -o pid= -s "$1") $(ps -o pid= -s "$1"); do
		chrt --other -p 0 "$p"
	done
} 2>/dev/null

mkdir -p "$logs"
if [ "${RUN_ONLY-}" ]; then
	unset RUN_ONLY
	! [ -e /proc/self/autogroup ] || echo 19 >/proc/self/autogroup
	for s; do run "$s"; done
	exit
fi
rm -f "$logs"/*.end
if [ $# -gt 0 ]; then
	all "$@"
else
	all gcc format unit unit-confusion
	# what begins thousands of processes or speaks over sockets has ended when e2e observes this host
	beside "fetch e2e-build clang san unit-san fuzz-build vm fuzz" "cli deploy" fuzz-build "e2e e2e-syscall"
	all fuzz-server e2e-times
fi

[ "$failed" = 0 ] || printf 'failed:\n%s' "$wrong"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
