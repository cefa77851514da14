// SPDX-License-Identifier: Apache-2.0
// A gRPC service at a port of the loopback: rpcserver.js PORT. Messages are texts: "code N" is
// answered with that status, "wait MS" after so long, else with as many messages as it says.
'use strict';
const grpc = require('@grpc/grpc-js');

const text = { serialize: (s) => Buffer.from(s), deserialize: (b) => b.toString() };
const method = (path, requestStream, responseStream) => ({
	path, requestStream, responseStream, requestSerialize: text.serialize,
	requestDeserialize: text.deserialize, responseSerialize: text.serialize,
	responseDeserialize: text.deserialize,
});
const service = {
	Unary: method('/shop.Cart/Unary', false, false),
	Down: method('/shop.Cart/Down', false, true),
	Up: method('/shop.Cart/Up', true, false),
	Both: method('/shop.Cart/Both', true, true),
};
module.exports = { service };

function unary(call, done) {
	const [word, n] = call.request.split(' ');
	if (word === 'code')
		done({ code: Number(n), details: 'as asked' });
	else if (word === 'wait')
		setTimeout(() => done(null, 'waited'), Number(n));
	else
		done(null, 'x'.repeat(Number(n) || 1));
}

function down(call) {
	const [n, pause] = call.request.split(' ').map(Number);
	let left = n;
	const next = () => {
		if (left-- === 0)
			return call.end();
		call.write('message');
		setTimeout(next, pause);
	};
	next();
}

function up(call, done) {
	let n = 0;
	call.on('data', () => n++);
	call.on('end', () => done(null, String(n)));
}

function both(call) {
	call.on('data', (s) => call.write(s));
	call.on('end', () => call.end());
}

if (require.main === module) {
	const server = new grpc.Server();
	server.addService(service, { Unary: unary, Down: down, Up: up, Both: both });
	const [, , port, cert, key] = process.argv, read = require("fs").readFileSync;

	server.bindAsync(`127.0.0.1:${port}`,
		cert ? grpc.ServerCredentials.createSsl(
			null, [{ cert_chain: read(cert), private_key: read(key) }])
		     : grpc.ServerCredentials.createInsecure(),
			 (err) => { if (err) throw err; });
}
