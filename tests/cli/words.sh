#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# words.sh [SONDE]: every way of asking wrongly gets one line on stderr that holds the given words,
# nothing on stdout, and its exit code. Needs no root: nothing here gets as far as the kernel.
set -u
cd "$(dirname "$0")/../.." || exit 1
sonde=$(realpath "${1:-build/sonde}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# says EXIT WORDS ARG...: WORDS is a pattern of the one line, as grep -E takes it
says() {
	local want=$1 words=$2 rc out err
	shift 2
	out=$(cd "$dir" && timeout 10 env -i PATH="$PATH" ${with:+"$with"} "$sonde" "$@" 2>err)
	rc=$?
	err=$(cat "$dir/err")
	if [ "$rc" = "$want" ] && [ -z "$out" ] && [ "$(wc -l <"$dir/err")" = 1 ] &&
		grep -Eq "^sonde: .*($words)" "$dir/err"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL ${with:+$with }sonde $*: exit $rc, wanted $want and /$words/; got: $out$err"
	fi
}

with=
# commands and flags
says 2 'tial: no such command; did you mean tail\?' tial
says 2 '--lisen: no such flag; did you mean --listen\?' --lisen off
says 2 '--lisen: no such flag; did you mean --listen\?' run --lisen=off
says 2 '-x: no such flag' run -x
says 2 '--once: not a flag of tail, but of top' tail --once
says 2 "'x' is one argument too many" check x
says 2 'expected sonde record FILE' record
says 2 'expected sonde replay FILE' replay
says 2 '--duration: expected --duration DURATION' tail --duration
says 2 '--json: takes no value' tail --json=1
says 2 '--sizes: given twice' --sizes on --sizes on
says 2 'not together' replay f --json --metrics
says 2 'hlep: no such command; did you mean help\?' hlep
says 2 'tial: no such command; did you mean tail\?' help tial
# values
says 2 "--duration: '5x' is not valid: expected a duration such as 300ms, 5s or 2m" --duration 5x
says 2 "--ring-size: '1TiB' is not valid: expected a size .* such as 16MiB" --ring-size 1TiB
says 2 "--listen: 'here' is not valid: expected ADDR:PORT" --listen here
says 2 "--tls: 'onn' is not valid: expected on\|off; did you mean on\?" --tls onn
says 2 "--capture-tier: .*did you mean syscall\?" --capture-tier sycall
says 2 "--log-level: .*did you mean debug\?" --log-level debgu
says 2 "--protocols: .*did you mean http\?" --protocols htpp
says 2 "--protocols: 'foo' is not valid: expected all or .*http" --protocols http,foo
says 2 "--port: '0' is not valid: expected ports from 1 to 65535" --port 0
says 2 "--port: 'x' is not valid: expected ports" --port 80,x
says 2 "--port: '80,' is not valid: expected a value before and after each comma" --port 80,
says 2 '--port: at most 16 of them' --port "$(seq -s, 1 17)"
says 2 '--port: at most 16 of them' --port "$(seq -s, 1 16)" --port 17
with="SONDE_PORT=$(seq -s, 1 17)"
says 2 'SONDE_PORT: at most 16 of them' tail
with="SONDE_EXCLUDE_COMM=$(seq -s, 1 9)"
says 2 'SONDE_EXCLUDE_COMM: at most 8 of them' tail
with=
printf 'log-level: debug\nport: [%s]\n' "$(seq -s, 1 17)" >"$dir/many.yml"
says 2 'many.yml:2: port: at most 16 of them' tail --config many.yml
{ echo pid: && seq -f '- %.0f' 1 17; } >"$dir/many.yml"
says 2 'many.yml:18: pid: at most 16 of them' tail --config many.yml
says 2 "--pid: 'me' is not valid" --pid me
says 2 '--pid: there is no process 2147483647' check --pid 2147483647
says 2 '--pid: there is no process 2147483647' check --json --pid 2147483647
says 2 "--max-series: '-1' is not valid" --max-series -1
says 2 "--cpu-limit: '0' is not valid: expected a number of cores" --cpu-limit 0
says 2 "--comm: .* at most 15 bytes" --comm a-name-longer-than-kernels-keep
# filters
says 2 '--filter: stauts: no such field; did you mean status\?' tail --filter stauts=5
says 2 "--filter: status: 'x' is not valid: expected a whole number" tail --filter status=x
says 2 '--filter: .*expected =, !=' tail --filter 'status is 5'
says 2 '--filter: a closing parenthesis is missing' tail --filter '(status=5'
# what this build does not do
says 2 "otlp-endpoint: 'collector:4318' .*expected a URL" --otlp-endpoint collector:4318
says 2 '--propagate: expected with --pid, --comm, --exe, --cgroup, --namespace or --port' --propagate http
says 2 'web-config: cannot read none.yml: No such file' --web-config none.yml
printf 'tls_server_config:\n  cert: x\n' >"$dir/web.yml"
says 2 'web.yml:2: cert: not known here; tls_server_config takes cert_file' --web-config web.yml
printf 'basic_auth_users:\n  ann: secret\n' >"$dir/web.yml"
says 2 'web.yml:2: ann: expected a password hashed by bcrypt' --web-config web.yml
printf 'tls_server_config: {cert_file: web.yml, key_file: web.yml}\n' >"$dir/web.yml"
says 2 'web.yml:1: tls_server_config: no TLS with these files' --web-config web.yml
says 2 'errors or slow' --traces-keep error
says 2 "--connect: '127.0.0.1:9464' is not valid: expected a URL, such as http://127.0.0.1:9464" top --connect 127.0.0.1:9464
says 2 'not together with a file' top f --connect http://127.0.0.1:9464
says 1 'cannot read http://127.0.0.1:1: ' top --once --connect http://127.0.0.1:1
says 2 'cannot read none.rec: No such file' top none.rec
says 2 "not together with --json" replay f --spans --json
# files
says 2 'none.yaml: cannot read the configuration: No such file' --config none.yaml
printf 'sizes: on\nlisten-adr: x\n' >"$dir/key.yaml"
says 2 'key.yaml:2: listen-adr: no such key; .* listen' --config key.yaml
printf 'log-level: wran\n' >"$dir/value.yaml"
says 2 "value.yaml:1: log-level: 'wran' is not valid: .*did you mean warn\?" --config value.yaml
printf 'port: [80\n' >"$dir/broken.yaml"
says 2 'broken.yaml:[0-9]+: not valid YAML' --config broken.yaml
printf '\000\377\376' >"$dir/binary.yaml"
says 2 'binary.yaml:' --config binary.yaml
mkdir "$dir/folder"
says 2 'folder: cannot read the configuration: Is a directory' --config folder
printf 'protocols: [http, foo]\n' >"$dir/list.yaml"
says 2 "list.yaml:1: protocols: 'foo' is not valid" --config list.yaml
# recordings
says 2 'cannot read none.rec: No such file' replay none.rec
printf 'GET / HTTP/1.1\r\n\r\n%2000s' '' >"$dir/foreign.rec"
says 2 'foreign.rec is not a recording' replay foreign.rec
says 2 'foreign.rec is not a recording' replay foreign.rec --json
: >"$dir/empty.rec"
says 2 'empty.rec is not a recording' replay empty.rec
# environment
with=SONDE_LISTN=off
says 2 'SONDE_LISTN: no such variable; did you mean SONDE_LISTEN\?' tail
with=SONDE_SIZES=maybe
says 2 "SONDE_SIZES: 'maybe' is not valid: expected on\|off" tail
with=SONDE_DURATION=
says 2 "SONDE_DURATION: '' is not valid" tail
with=SONDE_CONFIG=none.yaml
says 2 'none.yaml: cannot read' tail
with=

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
