// Prints the diagnostics of AsyncAPI documents as JSON: check_asyncapi.mjs <module directory> <file>...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [directory, ...files] = process.argv.slice(2);
const { Parser } = createRequire(`${directory}/`)("@asyncapi/parser");
const parser = new Parser();
const found = {};
for (const file of files) {
  const { document, diagnostics } = await parser.parse(readFileSync(file, "utf8"));
  const channels = document ? document.channels().all().map((channel) => channel.address()) : [];
  found[file] = { channels, diagnostics };
}
console.log(JSON.stringify(found));
