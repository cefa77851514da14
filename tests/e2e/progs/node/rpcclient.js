// SPDX-License-Identifier: Apache-2.0
// Calls rpcserver.js: rpcclient.js PORT. Prints what came of it as JSON: counts by method and
// status, messages sent and received, and the milliseconds that each timed call took.
'use strict';
const grpc = require('@grpc/grpc-js');
const { service } = require('./rpcserver.js');

const Client = grpc.makeGenericClientConstructor({ ...service,
	Nope: { ...service.Unary, path: '/shop.Cart/Nope' } });
const [, , port, cert] = process.argv;
const client = new Client(
	`127.0.0.1:${port}`,
	cert ? grpc.credentials.createSsl(require("fs").readFileSync(cert))
	     : grpc.credentials.createInsecure(),
	{ "grpc.ssl_target_name_override": "localhost" });
const said = { counts: {}, sent: {}, received: {}, took: {} };
const add = (o, key, n) => { o[key] = (o[key] || 0) + n; };

function ended(method, code, started, timed) {
	add(said.counts, `${method} ${grpc.status[code]}`, 1);
	if (timed)
		(said.took[method] = said.took[method] || []).push(
			Number(process.hrtime.bigint() - started) / 1e6);
}

function unary(request, { method = 'Unary', timed, options = {}, cancelAfter } = {}) {
	return new Promise((resolve) => {
		const started = process.hrtime.bigint();
		add(said.sent, method, 1);
		const call = client[method](request, new grpc.Metadata(), options, (err, answer) => {
			ended(method, err ? err.code : 0, started, timed);
			add(said.received, method, answer === undefined ? 0 : 1);
			resolve();
		});
		if (cancelAfter)
			setTimeout(() => call.cancel(), cancelAfter);
	});
}

function stream(method, requests, { timed, cancelAfter } = {}) {
	return new Promise((resolve) => {
		const started = process.hrtime.bigint(), single = method === 'Up';
		const call = single ? client.Up((err, answer) => add(said.received, 'Up', err ? 0 : 1))
			: method === 'Down' ? client.Down(requests[0]) : client.Both();
		if (!single)
			call.on('data', () => add(said.received, method, 1));
		call.on('error', () => {});
		call.on('status', (s) => {
			ended(method, s.code, started, timed);
			resolve();
		});
		add(said.sent, method, requests.length);
		if (method !== 'Down') {
			requests.forEach((r) => call.write(r));
			call.end();
		}
		if (cancelAfter)
			setTimeout(() => call.cancel(), cancelAfter);
	});
}

(async () => {
	for (let i = 0; i < 20; i++)
		await unary('size 3');
	await Promise.all([...Array(30)].map(() => unary('size 100')));
	await unary('size 100000');
	for (let code = 1; code <= 16; code++)
		await unary(`code ${code}`);
	for (let i = 0; i < 3; i++)
		await unary('wait 50', { timed: true });
	await unary('size 1', { method: 'Nope' });
	for (let i = 0; i < 3; i++)
		await stream('Down', ['5 20'], { timed: true });
	await stream('Down', ['0 0']);
	await stream('Up', ['a', 'b', 'c', 'd']);
	await stream('Up', []);
	await Promise.all([...Array(5)].map(() => stream('Both', ['a', 'bb', 'ccc'])));
	await unary('wait 700', { options: { deadline: Date.now() + 300 } });
	await unary('wait 300', { cancelAfter: 40 });
	await stream('Down', ['100 20'], { cancelAfter: 50 });
	await new Promise((resolve) => setTimeout(resolve, 500)); // what is late has been answered
	client.close();
	console.log(JSON.stringify(said));
})();
