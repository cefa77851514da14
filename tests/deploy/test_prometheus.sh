#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules for Prometheus: they parse, each alert fires on what it is for, the objectives' rules are
# those that slo.py makes, every alert has its runbook, and every metric they name is one of ours.
set -u
. "$(dirname "$0")/verdict.sh"
cd "$(dirname "$0")/../../deploy/prometheus" || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

is_generated() { /usr/bin/python3 slo.py | diff slo.yaml -; }

refuses() { # objectives on stdin; one line, exit 2
	cat >"$dir/bad.yaml"
	/usr/bin/python3 slo.py "$dir/bad.yaml" >"$dir/out" 2>"$dir/err"
	[ $? = 2 ] && [ ! -s "$dir/out" ] && [ "$(wc -l <"$dir/err")" = 1 ]
}
refuses_share() { refuses <<<'objectives: [{name: a, metric: m, objective: 99.9}]'; }
refuses_key() { refuses <<<'objectives: [{name: a, metric: m, objective: 0.9, latncy: 1}]'; }
refuses_nothing() { refuses <<<'{}'; }

alerts() { sed -n 's/^ *-\{0,1\} *alert: *//p' alerts.yaml slo.yaml | sort -u; }

all_have_runbooks() {
	diff <(alerts) <(cd ../../docs/runbooks && ls ./*.md | sed 's,^\./,,; s,\.md$,,' | grep -v README | sort)
}

runbooks_are_whole() {
	local want="Detect Triage Mitigate Escalate Review" page
	for page in ../../docs/runbooks/[A-Z]*.md; do
		[ "${page##*/}" = README.md ] || [ "$(sed -n 's/^## //p' "$page" | tr '\n' ' ')" = "$want " ] ||
			{ echo "$page"; return 1; }
		awk -v page="$page" '/^## / { if (head && !n) { print page ": nothing under " head; exit 1 } head = $0; n = 0; next }
			NF { n++ } END { exit !n }' "$page" || return 1
	done
}

all_are_tested() {
	diff <(alerts) <(sed -n 's/^ *alertname: *//p' tests/*.yaml | sort -u)
}

# by a case in which it stays silent, too, under its own name
all_can_be_silent() {
	diff <(alerts) <(awk '$1 == "alertname:" { name = $2 } $0 ~ /^ *exp_alerts: \[\]$/ { print name }' \
		tests/quiet.yaml | sort -u)
}

# that of an alert is called as the alert is
links_lead_to_runbooks() {
	[ "$(alerts)" ] && diff <(awk '$1 == "-" && $2 == "alert:" { name = $3 } $1 == "alert:" { name = $2 }
		name && $1 == "runbook_url:" { print name, $2; name = "" }' alerts.yaml slo.yaml | sort -u) \
		<(alerts | sed 's,.*,& docs/runbooks/&.md,')
}

# what the rules are ready for and sonde does not export yet stands in tests/to-come.txt, and nothing else
# what rules for other observers' dashboards are made of
compat_is_of_ours() {
	grep -ohP '(?<=\()(http|db|rpc|sonde)_[a-z_]+(?=[,{)])' obi-compat.yaml | sed 's/_\(count\|sum\|bucket\)$//' | sort -u |
		while read -r m; do grep -q "\`$m\`" ../../docs/metrics.md || { echo "$m"; false; } || return 1; done
}

all_metrics_are_ours() {
	diff tests/to-come.txt <(grep -ohP '(?<![:\w])(http|db|rpc|sonde|process|system|dns|messaging)_[a-z_]+(?=[{\[) ])' \
		recording.yaml alerts.yaml slo.yaml | sed 's/_\(count\|bucket\)$//' | sort -u |
		while read -r m; do grep -q "\`$m\`" ../../docs/metrics.md || echo "$m"; done)
}

check "rules parse" promtool check rules recording.yaml alerts.yaml slo.yaml obi-compat.yaml
check "configuration parses" promtool check config prometheus.yaml
check "alerts fire on what they are for" promtool test rules tests/alerts.yaml
check "what stays below fires none" promtool test rules tests/quiet.yaml
check "each alert is tested to stay silent" all_can_be_silent
check "each alert links to its runbook" links_lead_to_runbooks
check "error budgets burn as they should" promtool test rules tests/slo.yaml
check "queries of others return data" promtool test rules tests/obi-compat.yaml
check "rules for others' names are of our metrics" compat_is_of_ours
check "slo.yaml is what slo.py makes" is_generated
check "slo.py refuses a share above 1" refuses_share
check "slo.py refuses a wrong key" refuses_key
check "slo.py refuses no objectives" refuses_nothing
check "each alert has a runbook, each runbook an alert" all_have_runbooks
check "each runbook has all its parts" runbooks_are_whole
check "each alert is tested" all_are_tested
check "every metric is one of ours" all_metrics_are_ours
exit $((failed > 0))
