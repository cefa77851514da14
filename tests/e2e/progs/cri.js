// SPDX-License-Identifier: Apache-2.0
// cri.js SOCKET FILE: the container runtime interface, as far as it lists. FILE is read for each call:
// {"status": gRPC's, "pods": [{id, name, namespace, uid, labels, annotations, containers: [{id, name, image}]}]}
'use strict';
const fs = require('fs');
const http2 = require('http2');

const [path, file] = process.argv.slice(2);

function varint(n) {
  const out = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push(n % 128 + 128);
  return Buffer.from([...out, n]);
}
function bytes(number, data) {
  const b = Buffer.from(data);
  return Buffer.concat([varint(number * 8 + 2), varint(b.length), b]);
}
function number(n, value) {
  return Buffer.concat([varint(n * 8), varint(value)]);
}
function map(n, object) {
  return Buffer.concat(Object.entries(object).map(
    ([k, v]) => bytes(n, Buffer.concat([bytes(1, k), bytes(2, v)]))));
}

function sandbox(p) {
  const meta = Buffer.concat([bytes(1, p.name), bytes(2, p.uid), bytes(3, p.namespace)]);
  return Buffer.concat([bytes(1, p.id), bytes(2, meta), number(3, 1), number(4, Date.now() * 1e6),
    map(5, p.labels), map(6, p.annotations)]);
}
function container(p, c) {
  return Buffer.concat([bytes(1, c.id), bytes(2, p.id), bytes(3, Buffer.concat([bytes(1, c.name), number(2, 1)])),
    bytes(4, bytes(1, c.image)), bytes(5, 'sha256:aa'), number(6, 1)]);
}

const lists = {
  '/runtime.v1.RuntimeService/ListPodSandbox': (pods) => pods.map(sandbox),
  '/runtime.v1.RuntimeService/ListContainers': (pods) => pods.flatMap((p) => p.containers.map((c) => container(p, c))),
};

http2.createServer().on('stream', (stream, headers) => {
  const told = JSON.parse(fs.readFileSync(file));
  const list = lists[headers[':path']];
  const status = list ? told.status : 12;
  const common = { ':status': 200, 'content-type': 'application/grpc' };
  stream.on('error', () => {});
  stream.resume();
  if (status) {
    stream.respond({ ...common, 'grpc-status': String(status) }, { endStream: true });
    return;
  }
  const message = Buffer.concat(list(told.pods).map((item) => bytes(1, item)));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.respond(common, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([head, message]));
}).listen(path);
