#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Debian package: built, lintian clean, and in a bare Debian 12 installed, run as its unit runs it,
# upgraded over a changed configuration, removed and purged. FRESH_DIR: see bare.sh.
set -eu
. "$(dirname "$0")/bare.sh"
. "$(dirname "$0")/verdict.sh"
bare_enter "$@"
top=$(cd "$(dirname "$0")/../.." && pwd)
port=$(free_port)

# the same package, said to be newer
next() {
	rm -rf "$dir/next"
	dpkg-deb -R "$deb" "$dir/next"
	sed -i 's/^Version: .*/&+next/' "$dir/next/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$dir/next" "$tree/root/next.deb" >/dev/null
}

# with the user, the rights and the configuration of the unit
runs() {
	local unit=$tree/lib/systemd/system/sonde.service caps start metrics=
	caps=$(sed -n 's/^AmbientCapabilities=//p' "$unit" | tr 'A-Z' 'a-z' | sed 's/cap_/+/g; s/ /,/g')
	start=$(sed -n 's/^ExecStart=//p' "$unit")
	inside "exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all,$caps \
		--ambient-caps=-all,$caps --bounding-set=-all,$caps --no-new-privs \
		$start --listen 127.0.0.1:$port --duration 4s" >"$dir/run.log" 2>&1 &
	for _ in $(seq 300); do
		grep -q '^sonde: observing' "$dir/run.log" && break
		sleep 0.1
	done
	metrics=$(fetch $port /metrics 2>/dev/null) || true
	wait $! || { cat "$dir/run.log"; return 1; }
	grep -q '^sonde_build_info' <<<"$metrics"
}

# what the package's scripts ask of systemd, which is not there
systemd_listens() {
	mkdir -p "$tree/run/systemd/system"
	printf '#!/bin/sh\necho "$@" >>/root/asked\n' >"$tree/usr/bin/systemctl"
	printf '#!/bin/sh\nexit 0\n' >"$tree/usr/sbin/policy-rc.d"
	chmod 755 "$tree/usr/bin/systemctl"
}
asks_systemd() { # EXPRESSION, since it was last asked
	local asked
	asked=$(cat "$tree/root/asked" 2>/dev/null)
	rm -f "$tree/root/asked"
	grep -qE -- "$1" <<<"$asked" || { echo "asked: $asked"; return 1; }
}
is_enabled() { [ -L "$tree/etc/systemd/system/multi-user.target.wants/sonde.service" ]; }

keeps_configuration() { grep -q '^# changed by the administrator$' "$tree/etc/sonde/sonde.yaml"; }

is_version() { [ "$(inside "dpkg-query -W -f '\${Version}' sonde")" = "$1" ]; }

leaves_nothing() {
	local left
	left=$(cd "$tree" && find . -xdev -name '*sonde*' ! -path './root/*' ! -path './tmp/*' || true)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}

is_lintian_clean() { # says nothing, or says it
	local said
	said=$(lintian --allow-root "$deb" 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }
}

bare_open
deb=$(make -s -C "$top" deb)
check "package satisfies lintian" is_lintian_clean
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
cp "$deb" "$tree/root/sonde.deb"
version=$(dpkg-deb -f "$deb" Version)
next

check "package installs" inside "apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends /root/sonde.deb"
check "package is of its version" is_version "$version"
check "package enables its unit" is_enabled
check "package runs as its unit says" runs
systemd_listens
check "package has its manual" test -s "$tree/usr/share/man/man8/sonde.8.gz"
echo '# changed by the administrator' >>"$tree/etc/sonde/sonde.yaml"
check "package upgrades" inside "dpkg -i /root/next.deb"
check "upgrade is of its version" is_version "$version+next"
check "upgrade restarts the unit" asks_systemd '(^| )restart sonde.service$'
check "upgrade keeps the configuration" keeps_configuration
check "upgrade runs" runs
check "package is removed" inside "dpkg -r sonde"
check "removal stops the unit" asks_systemd '(^| )stop sonde.service$'
check "removal keeps the configuration" keeps_configuration
check "package is purged" inside "dpkg -P sonde"
check "purge leaves nothing" leaves_nothing
exit $((failed > 0))
