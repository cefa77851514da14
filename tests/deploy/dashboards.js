// SPDX-License-Identifier: Apache-2.0
// dashboards.js FILE...: dashboards held against Grafana's own schema, which it publishes as types: the
// dashboard, its panels, what each kind of panel may be told. A line for each that is wrong; exit 1.
'use strict';
const fs = require('fs');
const path = require('path');
const ts = require('typescript');

// the folder that holds @grafana, as NODE_PATH has it
const modules = path.resolve(path.dirname(require.resolve('@grafana/schema/package.json')), '../..');
const raw = '@grafana/schema/dist/esm/raw';
const kinds = { timeseries: 'TimeSeries', table: 'Table', heatmap: 'Heatmap', stat: 'Stat', gauge: 'Gauge' };

// The parts of a dashboard, each a constant of the type that it must have.
function source(board) {
	const { panels, ...rest } = board;
	const lines = [`import type { Dashboard, Panel, RowPanel } from "${raw}/dashboard/x/dashboard_types.gen";`,
		'import type { GraphFieldConfig } from "@grafana/schema";',
		`const board: Partial<Dashboard> = ${JSON.stringify(rest)};`];

	for (const [kind, name] of Object.entries(kinds)) {
		lines.push(`import type * as ${name} from "${raw}/composable/${kind}/panelcfg/x/${name}PanelCfg_types.gen";`);
	}
	panels.forEach((panel, i) => {
		const { options, ...others } = panel;
		const custom = panel.fieldConfig?.defaults?.custom;

		if (panel.type === 'row') {
			lines.push(`const row${i}: RowPanel = ${JSON.stringify(panel)};`);
			return;
		}
		lines.push(`const panel${i}: Partial<Panel> = ${JSON.stringify(others)};`,
			`const options${i}: Partial<${kinds[panel.type]}.Options> = ${JSON.stringify(options || {})};`);
		if (custom) {
			const type = panel.type === 'timeseries' ? 'GraphFieldConfig' : `${kinds[panel.type]}.FieldConfig`;
			lines.push(`const custom${i}: Partial<${type}> = ${JSON.stringify(custom)};`);
		}
	});
	return lines.join('\n');
}

// An enumeration of the schema as the words that JSON has.
function words(text) {
	return text.replace(/declare enum (\w+) \{([^}]*)\}/g, (_, name, members) =>
		`type ${name} = ${members.match(/(?<== ).+?(?=,?\s*$)/gm).join(' | ')};`);
}

const options = { noEmit: true, strict: true, skipLibCheck: true, target: ts.ScriptTarget.ES2020, types: [],
	module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Node10 };
const texts = new Map(process.argv.slice(2).map((file) =>
	[path.join(modules, '..', path.basename(file, '.json') + '.ts'), source(JSON.parse(fs.readFileSync(file, 'utf8')))]));
const host = ts.createCompilerHost(options);
const { fileExists, readFile } = host;
host.fileExists = (name) => texts.has(name) || fileExists(name);
host.readFile = (name) => texts.get(name) ?? (name.includes('@grafana') ? words(readFile(name)) : readFile(name));
host.getSourceFile = (name) => ts.createSourceFile(name, host.readFile(name), options.target);

let bad = 0;
for (const d of ts.getPreEmitDiagnostics(ts.createProgram([...texts.keys()], options, host))) {
	bad++;
	console.log(`${d.file ? path.basename(d.file.fileName, '.ts') : ''}: ` +
		ts.flattenDiagnosticMessageText(d.messageText, ' '));
}
process.exit(bad ? 1 : 0);
