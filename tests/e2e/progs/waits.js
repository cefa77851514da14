// SPDX-License-Identifier: Apache-2.0
// waits.js PORT REDIS: as waits.c, one thread for all connections, in Node.
const fs = require('fs');
const http = require('http');
const net = require('net');

const DEBUG = '*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$4\r\n0.02\r\n';
let redis;

// All at one moment: again, if the CPU was lost in between.
function measure() {
	for (;;) {
		const wall = Number(process.hrtime.bigint());
		const line = fs.readFileSync(`/proc/${process.pid}/schedstat`, 'ascii');
		if (Number(process.hrtime.bigint()) - wall < 300000)
			return { wall, delay: +line.split(' ')[1] };
	}
}

function burn() {
	const end = process.hrtime.bigint() + 20000000n;
	while (process.hrtime.bigint() < end)
		;
}

function call(done) {
	redis ||= net.connect(+process.argv[3], '127.0.0.1');
	redis.once('data', done);
	redis.write(DEBUG);
}

http.createServer((request, response) => {
	const before = measure();
	const answer = () => {
		const after = measure();
		response.end(JSON.stringify({ wall: after.wall - before.wall,
			delay: after.delay - before.delay }));
	};
	if (request.url === '/sleep') {
		setTimeout(answer, 20);
	} else if (request.url === '/call') {
		call(answer);
	} else {
		burn();
		answer();
	}
}).listen(+process.argv[2], '127.0.0.1');
