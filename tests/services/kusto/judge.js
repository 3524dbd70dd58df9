// Microsoft's reader of KQL: {"tables": {name: {column: type}}, "queries": {name: text}} in, complaints by name out.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const installed = createRequire(`${process.cwd()}/`);
const language = "@kusto/language-service-next";
installed(`${language}/bridge.min.js`);
installed(`${language}/Kusto.Language.Bridge.min.js`);
const { GlobalState, KustoCode, Symbols } = Kusto.Language;

const { tables, queries } = JSON.parse(readFileSync(0, "utf8"));
const known = Object.entries(tables).map(([name, columns]) => {
  const schema = Object.entries(columns).map(([column, type]) => `['${column}']:${type}`);
  return new Symbols.TableSymbol.$ctor7(name, `(${schema.join(", ")})`, null);
});
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", known));
const told = {};
for (const [name, text] of Object.entries(queries)) {
  const found = KustoCode.ParseAndAnalyze(text, globals).GetDiagnostics();
  told[name] = Array.from({ length: found.Count }, (_, number) => found.getItem(number).Message);
}
process.stdout.write(JSON.stringify(told));
