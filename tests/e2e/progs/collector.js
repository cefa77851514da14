// SPDX-License-Identifier: Apache-2.0
// A collector that does as it is told. collector.js PORT BEHAVIOURS [KEY CERT [CA]] serves OTLP over
// HTTP; collector.js PORT BEHAVIOURS grpc [KEY CERT [CA]] over gRPC. Each request takes the next behaviour of the
// comma separated list, the last one stays: ok, 429, 503:SECONDS, 400, partial:N, garbage, endless,
// hang, close; over gRPC a status number. What was taken is printed, a line of JSON for each
// request, decoded with OpenTelemetry's own definitions.
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');
const zlib = require('zlib');
const root = require('@opentelemetry/otlp-transformer/build/src/generated/root');

const args = process.argv.slice(2);
const isGrpc = args[2] === 'grpc' && args.splice(2, 1).length > 0;
const [port, list, key, cert, ca] = args;
const behaviours = list.split(',');
const collector = root.opentelemetry.proto.collector;
const kinds = {
	traces: [collector.trace.v1.ExportTraceServiceRequest,
		collector.trace.v1.ExportTraceServiceResponse, 'rejectedSpans'],
	metrics: [collector.metrics.v1.ExportMetricsServiceRequest,
		collector.metrics.v1.ExportMetricsServiceResponse, 'rejectedDataPoints'],
};

function next() {
	return behaviours.length > 1 ? behaviours.shift() : behaviours[0];
}

function print(line) {
	const hex = (k, v) => v && v.type === 'Buffer' ? Buffer.from(v.data).toString('hex') : v;

	fs.writeSync(1, JSON.stringify(line, hex) + '\n');
}

function decode(kind, body) {
	const Type = kinds[kind][0];
	return Type.toObject(Type.decode(body), { longs: String, enums: Number, defaults: false });
}

function taken(kind, req, body) {
	const type = req.headers['content-type'];
	const plain = req.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(body) : body;
	print({ kind, type, headers: req.headers,
		request: type === 'application/json' ? JSON.parse(plain) : decode(kind, plain) });
}

function answer(kind, req, res, body) {
	const [what, n] = next().split(':');
	const type = req.headers['content-type'];
	const Response = kinds[kind][1];

	switch (what) {
	case 'hang':
		return;
	case 'close':
		req.socket.destroy();
		return;
	case 'garbage':
		req.socket.end('\x00\xff no HTTP at all \r\n\r\n');
		return;
	case 'endless':
		res.writeHead(400);
		setInterval(() => res.write('x'.repeat(65536)), 1);
		return;
	case 'partial': {
		const partial = { partialSuccess: { [kinds[kind][2]]: Number(n),
			errorMessage: 'too\x1b many' } };
		taken(kind, req, body);
		res.writeHead(200, { 'content-type': type });
		res.end(type === 'application/json' ? JSON.stringify(partial) :
			Response.encode(partial).finish());
		return;
	}
	case 'ok':
		taken(kind, req, body);
		res.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' });
		// compressed though nobody asked, and an empty partial success
		res.end(zlib.gzipSync(type === 'application/json' ? '{"partialSuccess":{}}' :
			Buffer.from('0a00', 'hex')));
		return;
	default:
		print({ kind, status: Number(what), at: Date.now() });
		res.writeHead(Number(what), n ? { 'retry-after': n } : {});
		res.end('\x00\xff');
	}
}

function onRequest(req, res) {
	const parts = [];
	req.on('data', d => parts.push(d));
	req.on('end', () => answer(req.url.split('/').pop(), req, res, Buffer.concat(parts)));
}

function serveGrpc() {
	const grpc = require('@grpc/grpc-js');
	const server = new grpc.Server();

	for (const [kind, service] of [['traces', 'trace.v1.TraceService'],
		['metrics', 'metrics.v1.MetricsService']]) {
		const [Request, Response] = kinds[kind];
		server.addService({ Export: {
			path: `/opentelemetry.proto.collector.${service}/Export`,
			requestStream: false, responseStream: false,
			requestDeserialize: b => b, requestSerialize: b => b,
			responseSerialize: m => Buffer.from(Response.encode(m).finish()),
			responseDeserialize: b => b,
		} }, { Export(call, done) {
			const [what, n] = next().split(':');
			if (what === 'ok' || what === 'partial') {
				print({ kind, type: 'grpc', headers: call.metadata.getMap(),
					request: decode(kind, call.request) });
				done(null, what === 'ok' ? {} : { partialSuccess: {
					[kinds[kind][2]]: Number(n), errorMessage: 'too many' } });
			} else if (what !== 'hang') {
				done({ code: Number(what), message: 'as told' });
			}
		} });
	}
	server.bindAsync(`127.0.0.1:${port}`, key ? grpc.ServerCredentials.createSsl(
		ca ? fs.readFileSync(ca) : null,
		[{ private_key: fs.readFileSync(key), cert_chain: fs.readFileSync(cert) }], Boolean(ca)) :
		grpc.ServerCredentials.createInsecure(), () => {});
}

if (isGrpc) {
	serveGrpc();
} else if (key) {
	https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert),
		...(ca ? { ca: fs.readFileSync(ca), requestCert: true, rejectUnauthorized: true } : {}),
	}, onRequest).listen(Number(port), '127.0.0.1');
} else {
	http.createServer(onRequest).listen(Number(port), '127.0.0.1');
}
