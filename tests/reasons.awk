# SPDX-License-Identifier: Apache-2.0
# reasons.awk [-v most=12] LOG: of a stage's log what a reader needs to know why it failed: each failing
# test with the lines it said, at most so many, each cut. cmocka says why before it names the test, so of
# a program of tests all is kept but what passed; where it died, the test that was running is named.
function flush(	i) {
	if (unit != "" && bad) {
		print "-- " unit (running != "" ? ", while running " running : "")
		for (i = 0; i < n && i < 2 * most; i++) print "   " said[i]
		if (n > 2 * most) print "   ... and " n - 2 * most " lines more"
	}
	n = bad = 0
	running = ""
}

BEGIN { if (!most) most = 12 }
{ line = substr($0, 1, 600) }

/^== / { flush(); unit = $2; next }
unit != "" {
	if (/^\[ RUN /) { running = $NF; next }
	if (/^\[ +OK \]|^\[=====/ || /^\[  PASSED/) { running = ""; next }
	if (/^\[  (FAILED|SKIPPED) +\]/) running = ""
	if (/^\[  (FAILED|SKIPPED) +\]|^FAIL |Sanitizer|runtime error:/) bad = 1
	said[n++] = line
	next
}

# what a fuzzer found is told before its name
/^FAIL fuzz / { for (i = n > 2 * most ? n - 2 * most : 0; i < n; i++) print "     " said[i] }
/^FAIL / { left = most; n = 0; print line; next }
/^ok |^[0-9]+ passed, / { left = n = 0; next }
{ said[n++] = line }
left > 0 { print "     " line; left-- }

END { flush() }
