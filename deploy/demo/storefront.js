// SPDX-License-Identifier: Apache-2.0
// storefront.js PORT UPSTREAMS: what visitors talk to. Asks the stock for products and orders for
// orders, at the ports that the file UPSTREAMS names; SIGHUP reads it again.
const fs = require('fs');
const http = require('http');

const [port, upstreams] = process.argv.slice(2);
let ports, agent;

function look() {
	const old = agent;

	ports = JSON.parse(fs.readFileSync(upstreams));
	agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
	if (old) // once its last answers are there
		setTimeout(() => old.destroy(), 1000).unref();
}

function forward(request, response, to, path) {
	const headers = { 'content-type': 'application/json' };

	if (request.headers['content-length'])
		headers['content-length'] = request.headers['content-length'];
	const onward = http.request({
		host: '127.0.0.1', port: ports[to], path, method: request.method, agent, headers,
	}, (answer) => {
		response.writeHead(answer.statusCode, answer.headers);
		answer.pipe(response);
	});
	onward.on('error', () => {
		if (response.headersSent)
			response.destroy();
		else
			response.writeHead(502, { 'content-length': 0 }).end();
	});
	request.pipe(onward);
}

look();
process.on('SIGHUP', look);
const server = http.createServer((request, response) => {
	const [, what, id] = request.url.split('/');

	if (what === 'products')
		forward(request, response, 'stock', `/stock/${id}`);
	else if (what === 'orders')
		forward(request, response, 'orders', request.url);
	else
		response.writeHead(404, { 'content-length': 0 }).end();
});
// longer than nginx keeps a connection to us, so that it never sends on one that is being closed
server.keepAliveTimeout = 75000;
server.listen(+port, '127.0.0.1', 511);
