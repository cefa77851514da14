#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What judges deploy/ as the images of deploy/compose would, and is too old or not there in Debian 12, from
# the Debian after it: Compose the stack, Prometheus and Alertmanager their files. FRESH_DIR: see bare.sh.
set -eu
. "$(dirname "$0")/bare.sh"
. "$(dirname "$0")/verdict.sh"
bare_enter "$@"
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=${FRESH_DIR:-$(mktemp -d)}
tree=$dir/trixie
close_tree() {
	umount "$tree/deploy" 2>/dev/null || true
	[ -n "${FRESH_DIR-}" ] || rm -rf --one-file-system "$dir"
}
trap close_tree EXIT
trap 'exit 130' INT TERM

install_programs() {
	cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
	printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
	chmod 755 "$tree/usr/sbin/policy-rc.d"
	inside "DEBIAN_FRONTEND=noninteractive exec apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
		docker-compose prometheus prometheus-alertmanager"
}

compose() { inside "docker-compose -f /deploy/compose/compose.yaml config $*"; }

all_services() { [ "$(compose --services | wc -l)" = "$(grep -c '^    <<: \*' "$top/deploy/compose/compose.yaml")" ]; }

# every file that Prometheus is given in the stack, as it finds them there
prometheus_takes() {
	inside "mkdir -p /etc/prometheus && cd /etc/prometheus && cp /deploy/prometheus/*.yaml . &&
		cp /deploy/compose/prometheus.yaml prometheus.yml && promtool check config prometheus.yml"
}

# with the receivers that stand there as examples
alertmanager_takes_examples() {
	inside "sed -E 's/^    # (  .*|[a-z0-9]+_configs:)\$/    \\1/' /deploy/alertmanager/alertmanager.yaml >/tmp/all.yaml &&
		grep -q '^    msteamsv2_configs:' /tmp/all.yaml && amtool check-config /tmp/all.yaml"
}

bare_tree trixie
mkdir -p "$tree/deploy"
mount --bind -o ro "$top/deploy" "$tree/deploy"
check "later: programs are there" install_programs
check "compose: docker compose takes it" compose -q
check "compose: docker compose finds every service" all_services
check "compose: a later Prometheus takes its files" prometheus_takes
check "compose: a later Prometheus passes the rules' cases" inside "cd /deploy/prometheus/tests && promtool test rules *.yaml"
check "compose: a later Alertmanager takes its file" inside "amtool check-config /deploy/alertmanager/alertmanager.yaml"
check "compose: it takes the examples of receivers" alertmanager_takes_examples
exit $((failed > 0))
