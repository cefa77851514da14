# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests of this folder: names and counts. $dir holds what a command said; $failed is
# the number of failures so far.
failed=0

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@" >"$dir/verdict.log" 2>&1; then
		echo "ok $name"
	else
		echo "FAIL $name: $(tail -n 12 "$dir/verdict.log" | tr '\n' ' ')"
		failed=$((failed + 1))
	fi
}
