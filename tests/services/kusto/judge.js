// Microsoft's reader of KQL: {name: {"tables": {name: {column: type}}, "query": text}} in, complaints by name out.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const installed = createRequire(`${process.cwd()}/`);
const language = "@kusto/language-service-next";
installed(`${language}/bridge.min.js`);
installed(`${language}/Kusto.Language.Bridge.min.js`);
const { GlobalState, KustoCode, Symbols } = Kusto.Language;

function known(tables) {
  const symbols = Object.entries(tables).map(([name, columns]) => {
    const schema = Object.entries(columns).map(([column, type]) => `['${column}']:${type}`);
    return new Symbols.TableSymbol.$ctor7(name, `(${schema.join(", ")})`, null);
  });
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));
}

const told = {};
for (const [name, { tables, query }] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  const found = KustoCode.ParseAndAnalyze(query, known(tables)).GetDiagnostics();
  told[name] = Array.from({ length: found.Count }, (_, number) => found.getItem(number).Message);
}
process.stdout.write(JSON.stringify(told));
