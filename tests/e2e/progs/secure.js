// SPDX-License-Identifier: Apache-2.0
// secure.js PORT CERT KEY: an HTTPS server that answers everything with 200.
const fs = require('fs');
const https = require('https');

const [port, cert, key] = process.argv.slice(2);
const options = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
https.createServer(options, (request, response) => {
	request.resume().on('end', () => response.end('ok\n'));
}).listen(+port, '127.0.0.1');
