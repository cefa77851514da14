#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make install puts what belongs together where DESTDIR and PREFIX say; uninstall leaves nothing.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
unset MAKEFLAGS MAKELEVEL

make -s install DESTDIR="$root" PREFIX=/usr >/dev/null
(cd "$root" && find . -type f | LC_ALL=C sort) >"$root.got"
cat >"$root.want" <<END
./usr/bin/sonde
./usr/share/doc/sonde/LICENSE
./usr/share/doc/sonde/LICENSE.BSD-2-Clause
./usr/share/doc/sonde/LICENSE.GPL-2.0
./usr/share/man/man8/sonde.8
END
diff "$root.want" "$root.got" || { echo "installed files differ"; exit 1; }
rm -f "$root.got" "$root.want"

"$root/usr/bin/sonde" version >/dev/null || { echo "the installed sonde does not run"; exit 1; }
[ "$(stat -c %a "$root/usr/bin/sonde")" = 755 ] || { echo "the installed sonde is not 755"; exit 1; }

make -s uninstall DESTDIR="$root" PREFIX=/usr >/dev/null
left=$(find "$root" -type f)
[ -z "$left" ] || { echo "uninstall left: $left"; exit 1; }
