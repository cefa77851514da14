// SPDX-License-Identifier: Apache-2.0
// echo.js PORT: sends bodies back chunked; /users/N answers by number; anything else is a 404.
const http = require('http');

http.createServer((request, response) => {
	const path = request.url.split('?')[0];
	if (path === '/echo') {
		response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
		request.pipe(response);
	} else if (path === '/ok') {
		request.resume().on('end', () => response.end('ok\n'));
	} else if (/^\/users\/\d+$/.test(path)) {
		response.end(path);
	} else {
		response.statusCode = path === '/broken' ? 500 : 404;
		response.end('no\n');
	}
}).listen(+process.argv[2], '127.0.0.1');
