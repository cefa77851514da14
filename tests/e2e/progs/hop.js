// SPDX-License-Identifier: Apache-2.0
// hop.js PORT NEXT [PASS]: as hop.py, on an event loop. At most 5 connections to a database: the
// queries wait their turn for them.
const http = require('http');
const net = require('net');

const [port, next, pass] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
const idle = [], waiting = [];
let open = 0;

// As much of a client of PostgreSQL as a query needs.
function connect(ready) {
	const sock = net.connect(+next.slice(2), '127.0.0.1');
	const link = { done: () => ready(link) };
	let held = Buffer.alloc(0);
	const words = Buffer.from('user\0postgres\0database\0postgres\0\0');
	const head = Buffer.alloc(8);

	head.writeUInt32BE(words.length + 8, 0);
	head.writeUInt32BE(196608, 4);
	sock.setNoDelay(true);
	sock.write(Buffer.concat([head, words]));
	sock.on('data', (data) => {
		held = Buffer.concat([held, data]);
		while (held.length >= 5 && held.length >= held.readUInt32BE(1) + 1) {
			const kind = held[0];
			held = held.subarray(held.readUInt32BE(1) + 1);
			if (kind === 90)
				link.done();
		}
	});
	link.query = (text, done) => {
		const body = Buffer.from(text + '\0'), head = Buffer.alloc(5);
		head[0] = 81;
		head.writeUInt32BE(body.length + 4, 1);
		link.done = done;
		sock.write(Buffer.concat([head, body]));
	};
}

function serve(link) {
	const job = waiting.shift();
	if (!job) {
		idle.push(link);
		return;
	}
	link.query(`SELECT 1 AS r_${job.id}`, () => {
		job.done();
		serve(link);
	});
}

function query(id, done) {
	waiting.push({ id, done });
	if (idle.length)
		serve(idle.pop());
	else if (open < 5 && ++open)
		connect(serve);
}

function ask(id, headers, done) {
	http.get({ port: +next, host: '127.0.0.1', path: `/r/${id}`, agent, headers }, (response) => {
		response.resume().on('end', done);
	});
}

http.createServer((request, response) => {
	const id = request.url.slice(3);
	const done = () => response.end('ok\n');
	const headers = pass && request.headers[pass] ? { [pass]: request.headers[pass] } : {};

	console.log(id);
	if (next.startsWith('pg'))
		query(id, done);
	else
		ask(id, headers, done);
}).listen(+port, '127.0.0.1', 511);
