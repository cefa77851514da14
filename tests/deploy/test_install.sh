#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make install and uninstall into a folder: everything is there, in its place, and goes again; what the
# administrator changed stays. The unit is one that systemd takes.
set -u
. "$(dirname "$0")/verdict.sh"
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

install_to() { make --no-print-directory install DESTDIR="$dir/root" PREFIX=/opt/sonde; }

holds() {
	diff <(cd "$dir/root" && find . -type f -printf '%m %P\n' | sort) - <<'LIST'
644 etc/sonde/sonde.yaml
644 opt/sonde/lib/systemd/system/sonde.service
644 opt/sonde/share/doc/sonde/LICENSE
644 opt/sonde/share/doc/sonde/LICENSE.BSD-2-Clause
644 opt/sonde/share/doc/sonde/LICENSE.GPL-2.0
644 opt/sonde/share/man/man8/sonde.8
755 opt/sonde/bin/sonde
LIST
}

unit=$dir/root/opt/sonde/lib/systemd/system/sonde.service

# systemd follows ExecStart: it is given the path where the program is now
unit_is_good() {
	local said
	mkdir -p "$dir/unit"
	sed "s,^ExecStart=/opt,ExecStart=$dir/root/opt,; /^Documentation=/d" "$unit" >"$dir/unit/sonde.service"
	grep -q "^ExecStart=$dir/root/opt/sonde/bin/sonde run " "$dir/unit/sonde.service" || return 1
	said=$(systemd-analyze verify --man=no "$dir/unit/sonde.service" 2>&1) && [ -z "$said" ] || {
		echo "$said"
		return 1
	}
}

is_sandboxed() {
	local exposure
	exposure=$(systemd-analyze security --offline=yes "$unit" | sed -n 's/.*exposure level .*: \([0-9.]*\) .*/\1/p')
	echo "exposure level $exposure"
	awk -v e="$exposure" 'BEGIN { exit !(e != "" && e < 3) }'
}

configuration_is_taken() { "$dir/root/opt/sonde/bin/sonde" check --config "$dir/root/etc/sonde/sonde.yaml"; }

keeps_a_changed_configuration() {
	echo '# changed' >>"$dir/root/etc/sonde/sonde.yaml"
	install_to && grep -q '^# changed$' "$dir/root/etc/sonde/sonde.yaml"
}

leaves_the_configuration_only() {
	make --no-print-directory uninstall DESTDIR="$dir/root" PREFIX=/opt/sonde &&
		[ "$(cd "$dir/root" && find . -type f)" = ./etc/sonde/sonde.yaml ]
}

# what the package is built with is what the build asks for
builds_with_what_is_asked() {
	diff <(deploy/install-deps list build | grep -- '-dev$' | grep -v libc6 | sort) \
		<(sed -n '/^Build-Depends/,/^[^ B]/p' deploy/debian/control | grep -oE '[a-z0-9.-]+-dev' | sort)
}

check "package is built with what the build asks for" builds_with_what_is_asked
check "install into a folder" install_to
check "install is complete" holds
check "unit satisfies systemd-analyze verify" unit_is_good
check "unit is sandboxed" is_sandboxed
check "default configuration is taken" configuration_is_taken
check "install keeps a changed configuration" keeps_a_changed_configuration
check "uninstall leaves the configuration only" leaves_the_configuration_only
exit $((failed > 0))
