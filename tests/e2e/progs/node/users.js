// SPDX-License-Identifier: Apache-2.0
// users.js PORT: ten connections, each asking, becoming the other user of another database, and asking
// again, twice.
const mysql = require('mysql2/promise');

const user = { host: '127.0.0.1', port: +process.argv[2], user: 't', password: 'geheim' };

async function work() {
	for (let i = 0; i < 2; i++) {
		const c = await mysql.createConnection({ ...user, database: 'shop' });
		await c.query("SELECT 'geheim', 1");
		await c.changeUser({ ...user, database: 'mysql' });
		await c.query("SELECT 'geheim', 2");
		await c.end();
	}
}

Promise.all([...Array(10)].map(work)).catch((e) => {
	console.error(e);
	process.exit(1);
});
