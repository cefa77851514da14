// SPDX-License-Identifier: Apache-2.0
// Requests as Node's own client makes them, over kept connections: speak.js PORT N [known],
// known: all bodies are of a length that is known
'use strict';
const http = require('http');
const [port, n] = process.argv.slice(2).map(Number);
const forms = process.argv[4] ? 2 : 3;
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
let open = n;

function request(i) {
  const has = i % forms;
  const r = http.request({
    port, host: '127.0.0.1', agent, path: `/${forms === 2 ? 'known' : 'node'}/${i}`, method: has ? 'POST' : 'GET',
    headers: has === 1 ? { 'Content-Length': 50000 } : {},
  }, (answer) => {
    answer.resume();
    answer.on('end', () => { if (!--open) agent.destroy(); });
  });
  r.on('error', (e) => { console.error(String(e)); process.exit(1); });
  if (has === 1) r.write(Buffer.alloc(50000, i));
  if (has === 2) for (let k = 0; k < 5; k++) r.write(`part ${k} of ${i}\n`); // chunked
  r.end();
}

for (let i = 0; i < n; i++) request(i);
