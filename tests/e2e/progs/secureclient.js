// SPDX-License-Identifier: Apache-2.0
// secureclient.js PORT CONNECTIONS REQUESTS: as secureclient.py.
const https = require('https');

const [port, connections, requests] = process.argv.slice(2).map(Number);
let open = connections;

function run(n) {
	const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
	let left = requests;

	function next() {
		if (left-- === 0) {
			agent.destroy();
			if (--open === 0)
				process.exit(0);
			return;
		}
		const asked = https.get({ port, agent, host: '127.0.0.1', path: `/marked/${n}/x` },
			(response) => {
				if (left === requests - 1)
					console.log(asked.socket.localPort, n);
				response.resume().on('end', next);
			});
	}
	next();
}
for (let i = 0; i < connections; i++)
	run(1000 + i);
