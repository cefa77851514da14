// SPDX-License-Identifier: Apache-2.0
// client.js PORT PATH N: N requests, four at a time over kept connections; prints the statuses.
const http = require('http');

const [port, path, total] = [+process.argv[2], process.argv[3], +process.argv[4]];
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
let left = total;

function next() {
	if (left-- <= 0)
		return;
	http.get({ port, path, agent, host: '127.0.0.1' }, (response) => {
		response.resume().on('end', () => {
			console.log(response.statusCode);
			next();
		});
	});
}
for (let i = 0; i < 4; i++)
	next();
setInterval(() => left < -3 && process.exit(0), 10);
