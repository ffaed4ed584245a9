// Lints every .cypher file of a directory against schema.json and prints the findings as JSON.
const { readFileSync, readdirSync, statSync } = require("fs");
const { join } = require("path");
const { createRequire } = require("module");

const [root, modules] = process.argv.slice(2);
const { lintCypherQuery } = createRequire(join(modules, "package.json"))("@neo4j-cypher/language-support");

const described = JSON.parse(readFileSync(join(root, "schema.json"), "utf8"));
const owners = [...Object.values(described.labels), ...Object.values(described.relations)];
const findings = [];
for (const folder of readdirSync(root).filter((name) => statSync(join(root, name)).isDirectory())) {
  if (folder === "migrations") continue;
  for (const file of readdirSync(join(root, folder))) {
    const text = readFileSync(join(root, folder, file), "utf8");
    const rowFields = [...text.matchAll(/\brow\.(\w+)/g)].map((match) => match[1]);
    const { diagnostics } = lintCypherQuery(text, {
      labels: Object.keys(described.labels),
      relationshipTypes: Object.keys(described.relations),
      propertyKeys: [...rowFields, ...owners.flatMap((owner) => Object.keys(owner.properties))],
      parameters: Object.fromEntries([...text.matchAll(/\$(\w+)/g)].map((match) => [match[1], null])),
    });
    for (const { range, message } of diagnostics) {
      findings.push(`${folder}/${file}:${range.start.line + 1}: ${message}`);
    }
  }
}
console.log(JSON.stringify(findings));
