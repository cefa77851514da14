// SPDX-License-Identifier: Apache-2.0
// prepared.js PORT|SOCKET: statements that mysql2 prepares, executes and closes, several connections
// at once; prints how often each was executed, by its first word, and how long SLEEP took.
const mysql = require('mysql2/promise');

const counts = {}, took = [];
const where = process.argv[2].startsWith('/') ? { socketPath: process.argv[2], user: 'root' } :
	{ host: '127.0.0.1', port: +process.argv[2], user: 't', password: 'geheim' };

async function run(connection, text, values) {
	const word = text.split(' ')[0];
	counts[word] = (counts[word] || 0) + 1;
	return (await connection.execute(text, values))[0];
}

async function work(n) {
	// 8 statements stay prepared, so that some are closed and prepared again
	const c = await mysql.createConnection({ ...where, database: 'shop', maxPreparedStatements: 8 });
	for (let i = 0; i < 20; i++) {
		const id = 1000 * n + i;
		await run(c, 'INSERT INTO goods VALUES (?, ?, ?)', [id, 'geheim', 1.5]);
		const rows = await run(c, 'SELECT name, price FROM goods WHERE id = ?', [id]);
		if (rows.length !== 1 || rows[0].name !== 'geheim')
			throw new Error(`row ${id}: ${JSON.stringify(rows)}`);
		await run(c, `SELECT id FROM goods AS g${i % 10} WHERE id IN (?, ?)`, [id, null]);
		await run(c, 'UPDATE goods SET name = ? WHERE id = ?', ['x'.repeat(100000), id]);
	}
	await c.execute('SELEC ?', [1]).catch(() => 0);
	await run(c, 'INSERT INTO goods VALUES (?, ?, ?)', [1000 * n, 'again', 0]).catch(() => 0);
	const began = process.hrtime.bigint();
	await run(c, 'SELECT SLEEP(?)', [0.05]);
	took.push(Number(process.hrtime.bigint() - began) / 1e6);
	await c.end();
}

async function main() {
	const c = await mysql.createConnection({ ...where, database: 'shop' });
	await c.query('CREATE TABLE goods (id INT PRIMARY KEY, name LONGTEXT, price DOUBLE)');
	await c.end();
	await Promise.all([1, 2, 3].map(work));
	console.log(JSON.stringify({ counts, slept: took }));
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});
