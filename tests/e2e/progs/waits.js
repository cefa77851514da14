// SPDX-License-Identifier: Apache-2.0
// waits.js PORT REDIS [DEVICE]: as waits.c, one thread for all connections, in Node.
const fs = require('fs');
const http = require('http');
const net = require('net');
const { Worker, isMainThread, workerData } = require('worker_threads');

const DEBUG = '*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$4\r\n0.02\r\n';
const FREE = 0, WANTED = 1, HELD = 2;
const block = Buffer.alloc(65536);
let redis, device, at, holder, dozed = 0;

// All at one moment: again, if the CPU was lost in between.
function measure() {
	for (;;) {
		const wall = Number(process.hrtime.bigint());
		const line = fs.readFileSync(`/proc/${process.pid}/schedstat`, 'ascii');
		if (Number(process.hrtime.bigint()) - wall < 300000)
			return { wall, delay: +line.split(' ')[1] };
	}
}

function burn() {
	const began = process.cpuUsage();
	for (let used = 0; used < 20000;) {
		const { user, system } = process.cpuUsage(began);
		used = user + system;
	}
}

// How long it took, less what it was ready for without a CPU.
function timed(work) {
	const before = measure();
	work();
	const after = measure();
	return after.wall - before.wall - (after.delay - before.delay);
}

// The whole thread, not this request alone.
function doze() {
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}

// In the worker: holds the lock for 20 ms whenever it is told to.
function hold(lock) {
	for (;;) {
		Atomics.wait(lock, 0, FREE);
		Atomics.store(lock, 0, HELD);
		Atomics.notify(lock, 0);
		doze();
		Atomics.store(lock, 0, FREE);
		Atomics.notify(lock, 0);
	}
}

function contend() {
	Atomics.store(holder, 0, WANTED);
	Atomics.notify(holder, 0);
	return timed(() => {
		Atomics.wait(holder, 0, WANTED);
		Atomics.wait(holder, 0, HELD);
	});
}

// In the thread itself, from the end backwards: nothing is read ahead, and nothing twice.
function disk() {
	if (device === undefined) {
		device = fs.openSync(process.argv[4]);
		at = +process.argv[5] - 4 * block.length;
	}
	at -= block.length;
	return timed(() => {
		if (fs.readSync(device, block, 0, block.length, at) !== block.length)
			throw new Error(process.argv[4]);
	});
}

function call(done) {
	redis ||= net.connect(+process.argv[3], '127.0.0.1');
	redis.once('data', () => done());
	redis.write(DEBUG);
}

const WORK = { '/burn': burn, '/lock': contend, '/disk': disk, '/late': () => {} };

function serve(request, response) {
	const till = Number(process.hrtime.bigint()), before = measure();
	const answer = (stood) => {
		const after = measure();
		// stood: in the one call that makes it wait; from, till: when its request was read
		// at the soonest, and at the latest
		response.end(JSON.stringify({ wall: after.wall - before.wall,
			delay: after.delay - before.delay, stood, from: dozed, till }));
	};
	if (request.url === '/late') {
		response.once('finish', () => {
			doze();
			dozed = Number(process.hrtime.bigint());
		});
	}
	if (request.url === '/sleep') {
		setTimeout(answer, 20);
	} else if (request.url === '/call') {
		call(answer);
	} else {
		answer(WORK[request.url]());
	}
}

if (isMainThread) {
	holder = new Int32Array(new SharedArrayBuffer(4));
	new Worker(__filename, { workerData: holder });
	http.createServer(serve).listen(+process.argv[2], '127.0.0.1');
} else {
	hold(workerData);
}
