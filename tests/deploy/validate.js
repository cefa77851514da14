// SPDX-License-Identifier: Apache-2.0
// Objects of Kubernetes as a JSON array on stdin: each checked against the API's schema. A line for
// each that is wrong; exit 1.
const objects = JSON.parse(require("fs").readFileSync(0, "utf8"));
let bad = 0;

for (const o of objects) {
	const group = o.apiVersion.includes("/") ? o.apiVersion : "v1";
	try {
		const Model = require(`kubernetes-models/${group}/${o.kind}`)[o.kind];
		new Model(o).validate();
	} catch (e) {
		bad++;
		console.log(`${o.kind} ${o.metadata.name}: ${e.message}`);
	}
}
process.exit(bad ? 1 : 0);
