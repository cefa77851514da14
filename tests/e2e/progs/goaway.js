// SPDX-License-Identifier: Apache-2.0
// HTTP/2 as Node has it: goaway.js PORT serve|ask [TYPE], the content's. The server answers a session's
// first request, lets five more come and goes away in two steps: it keeps two of them, which it answers
// then. The client says what came of its streams.
'use strict';
const http2 = require('http2');
const [port, what, type] = process.argv.slice(2);
const HIGHEST = 2 ** 31 - 1;

function goAway(session, held) {
  session.goaway(0, HIGHEST);
  setTimeout(() => {
    session.goaway(0, held[1].id);
    setTimeout(() => held.slice(0, 2).forEach((s) => answer(s)), 50);
  }, 20);
}

function answer(stream) {
  stream.respond({ ':status': 200, ...(type && { 'content-type': type }) }, { waitForTrailers: !!type });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end();
}

function serve() {
  const server = http2.createServer();
  server.on('session', (session) => {
    const held = [];
    session.on('error', () => {});
    session.on('stream', (stream) => {
      stream.on('error', () => {});
      if (stream.id === 1) answer(stream);
      else if (held.push(stream) === 5) goAway(session, held);
    });
  });
  server.listen(port, '127.0.0.1');
}

function request(session, path, counts) {
  return new Promise((done) => {
    let status = 0;
    const stream = session.request({
      ':method': 'POST', ':path': path, ...(type && { 'content-type': type, te: 'trailers' }),
    }, { endStream: true });
    stream.on('response', (headers) => { status = headers[':status']; });
    stream.on('error', () => {});
    stream.on('close', () => {
      const key = `${path} ${status} ${stream.rstCode}`;
      counts[key] = (counts[key] || 0) + 1;
      done();
    });
    stream.resume();
  });
}

async function client() {
  const session = http2.connect(`http://127.0.0.1:${port}`), counts = {};
  session.on('error', () => {});
  await request(session, '/away/first', counts);
  await Promise.all(['kept', 'kept', 'refused', 'refused', 'refused'].map((p) =>
    request(session, `/away/${p}`, counts)));
  session.close();
  console.log(JSON.stringify(counts));
}

if (what === 'ask') client(); else serve();
