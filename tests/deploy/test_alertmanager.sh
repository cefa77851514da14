#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Alertmanager's configuration: it parses, and each kind of alert goes where it should.
set -u
cd "$(dirname "$0")/../../deploy/alertmanager" || exit 1
failed=0

say() { # NAME WANT GOT
	if [ "$2" = "$3" ]; then
		echo "ok $1"
	else
		echo "FAIL $1: $3, not $2"
		failed=$((failed + 1))
	fi
}

to() { # RECEIVER LABEL=VALUE...
	local want=$1
	shift
	say "routed to $want: $*" "$want" "$(amtool config routes test --config.file=alertmanager.yaml "$@" 2>/dev/null)"
}

said=$(amtool check-config alertmanager.yaml 2>&1)
say "configuration parses" 0 $?
# the receivers that stand there as examples; that for Teams is newer than Debian 12
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sed -E '/msteams/,+1d; s/^    # (  .*|[a-z0-9]+_configs:)$/    \1/' alertmanager.yaml >"$dir/all.yaml"
said=$(amtool check-config "$dir/all.yaml" 2>&1)
say "examples of receivers parse" 0 $?
say "PagerDuty and Slack are among them" 2 "$(grep -cE '^    (pagerduty|slack)_configs:' "$dir/all.yaml")"
to pager alertname=HighErrorRatio severity=critical service_name=shop
to pager alertname=ErrorBudgetBurn severity=critical window=1h service_name=shop
to chat alertname=HighLatency severity=warning service_name=shop
to chat alertname=ErrorBudgetBurn severity=warning window=3d service_name=shop
to hosts alertname=SondeDown severity=critical
to hosts alertname=SondeBlind severity=info
to mail alertname=Anything severity=info
to webhook alertname=Unheard
exit $((failed > 0))
