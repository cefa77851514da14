#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# reference.sh [SONDE]: the reference and the man page say what the table of options says.
set -u
cd "$(dirname "$0")/../.." || exit 1
sonde=${1:-build/sonde}
passed=0 failed=0
bare=$(mktemp)
trap 'rm -f "$bare"' EXIT

verdict() { # NAME RC
	if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $1"; fi
}

"$sonde" help markdown | diff -u docs/configuration.md -
verdict "docs/configuration.md is not what make docs writes" $?

flags() { grep -oE -e '--[a-z][a-z-]*' | sort -u; }
table=$(for c in run top tail record replay check; do "$sonde" help "$c" | grep -E '^  --'; done |
	awk '{ print $1 }' | sort -u)
page=$(sed -n '/^\.SH OPTIONS/,/^\.SH FILTERS/p' docs/sonde.8 | grep -E '^\.B \\-\\-[a-z\\-]+( |$)' |
	sed 's/\\-/-/g; s/\\fI.*//' | flags)
diff <(echo "$table") <(echo "$page")
verdict "the options of docs/sonde.8 are not those of the table" $?

for c in run top tail record replay check version help; do
	grep -qE "^\.(B|BI|BR) $c( |$)" docs/sonde.8 && "$sonde" help | grep -qE "^  $c "
	verdict "command $c is in help and man page" $?
done

# the help of a command is about that command
"$sonde" help check | grep -A 1 -e '--pid PID' | grep -q 'look at this one in depth' &&
	"$sonde" help tail | grep -A 1 -e '--pid PID' | grep -q 'observe only these processes$' &&
	! "$sonde" help tail | grep -q 'check: ' && ! "$sonde" help version | grep -q FLAGS
verdict "help of a command speaks of another's flags" $?
# what only a flag can say stands first, and is none of those that are keys and variables too
both=
for c in run top tail record replay check; do
	"$sonde" help "$c" | sed -n '/YAML file, and variables:/,$p' | grep -oE '^  --[a-z-]+' |
		tr -d ' ' | sort >"$bare"
	"$sonde" help markdown | grep -F 'only a flag' | grep -oE '^[|] `--[a-z-]+' |
		sed 's/.*`//' | sort | comm -12 - "$bare" | grep . && both=$c
	[ -s "$bare" ] || both=$c
done
[ -z "$both" ] && "$sonde" help tail | sed '/YAML/,$d' | grep -q -e '--filter'
verdict "help says of a flag that it is a key of the file, which it is not" $?

# each option's paragraph in the man page names the default of the table
while read -r flag default; do
	sed 's/\\-/-/g' docs/sonde.8 | grep -A 1 -E "^\.B $flag( |\$)" | grep -qF "(default $default)"
	verdict "$flag: (default $default) is not in the man page" $?
done < <("$sonde" help markdown | sed 's/\\|/:/g; s/`//g' |
	awk -F ' *[|] *' '/^[|] --/ && $4 { sub(/ .*/, "", $2); print $2, $4 }')

# version tells what this build does without, and of no more than that
lacking=$(for l in curl capstone ncursesw; do ldd "$sonde" | grep -q "lib$l\." || echo "$l"; done)
[ -n "$lacking" ] || ! "$sonde" version | grep 'not built'
verdict "version says that something is not built which is" $?

# what a host has to hold; without debug information at most 2 MiB
strip -o "$bare" "$sonde" && [ "$(stat -c %s "$bare")" -le $((2 << 20)) ]
verdict "the program is over 2 MiB" $?

if command -v man >/dev/null; then
	[ -z "$(LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z \
		docs/sonde.8 2>&1 >/dev/null)" ]
	verdict "docs/sonde.8 formats without warnings" $?
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
