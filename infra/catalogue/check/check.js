// Compiles each schema with ajv, tries its examples, reads the AsyncAPI document with the official parser, and compares
// ajv's verdicts with those of the functions' own reader: node check.js CATALOGUE [SAMPLES]
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Parser, fromFile } from "@asyncapi/parser";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";

const [catalogue, samples] = process.argv.slice(2);
const faults = [];

const validators = compiled(path.join(catalogue, "schemas"));
await readDocument(path.join(catalogue, "asyncapi.yaml"));
if (samples) compare(readFileSync(samples, "utf8"));

// One wrong rule can make thousands of faults.
for (const fault of faults.slice(0, 20)) console.error(fault);
if (faults.length > 20) console.error(`and ${faults.length - 20} more`);
process.exitCode = faults.length > 0 ? 1 : 0;

/** A validator for each message, by its type. */
function compiled(folder) {
  // Strict: a keyword or format that ajv does not know is a fault, where other tools would not check it in silence.
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  formats.default(ajv);
  const validators = new Map();
  let examples = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
    const schema = JSON.parse(readFileSync(path.join(folder, file), "utf8"));
    try {
      const validate = ajv.compile(schema);
      validators.set(path.basename(file, ".json"), validate);
      if (!schema.examples?.length) faults.push(`${file} has no example: each message has one at least`);
      for (const example of schema.examples ?? []) {
        examples += 1;
        if (!validate(example)) faults.push(`${file}: an example of its own is refused: ${ajv.errorsText(validate.errors)}`);
      }
    } catch (error) {
      faults.push(`${file} does not compile: ${error.message}`);
    }
  }
  if (validators.size === 0) faults.push(`there is no schema in ${folder}`);
  console.log(`ajv, strict: ${validators.size} schemas compile, ${examples} examples tried`);
  return validators;
}

async function readDocument(file) {
  const { document, diagnostics } = await fromFile(new Parser(), file).parse();
  const WARNING = 1;
  for (const { severity, code, message, path: at } of diagnostics) {
    if (severity <= WARNING) faults.push(`asyncapi.yaml: ${at.join(".")}: ${message} (${code})`);
  }
  if (!document) return;
  const messages = document.allMessages().all();
  const named = new Set(messages.map((message) => message.name()));
  for (const type of validators.keys()) {
    if (!named.has(type)) faults.push(`asyncapi.yaml has no message ${type}, and there is a schema of it`);
  }
  for (const name of named) {
    if (!validators.has(name)) faults.push(`asyncapi.yaml has the message ${name}, and there is no schema of it`);
  }
  console.log(
    `the AsyncAPI parser: version ${document.version()}, ${document.channels().length} channels, ` +
      `${document.operations().length} operations, ${named.size} messages`,
  );
}

/** Each line: {type, accepted, body, limit?}. A limit says why JSON Schema can't tell what the reader tells. */
function compare(lines) {
  const counts = { accepted: 0, refused: 0 };
  const limits = new Map();
  let disagreements = 0;
  let compared = 0;
  for (const line of lines.split("\n").filter(Boolean)) {
    const { type, accepted, body, limit } = JSON.parse(line);
    compared += 1;
    const errors = refusal(type, body);
    if (accepted === (errors === null)) {
      counts[accepted ? "accepted" : "refused"] += 1;
    } else if (limit) {
      limits.set(limit, (limits.get(limit) ?? 0) + 1);
    } else {
      disagreements += 1;
      const verdict = accepted ? "accepts" : "refuses";
      faults.push(`${type}: the reader ${verdict}, ajv ${errors ?? "accepts"}: ${body.slice(0, 400)}`);
    }
  }
  if (compared === 0) faults.push("there is no sample to compare");
  console.log(
    `ajv and the reader: ${compared} samples of ${validators.size} messages, ` +
      `both accept ${counts.accepted} and refuse ${counts.refused}, disagreements ${disagreements}`,
  );
  for (const [limit, count] of [...limits].sort()) console.log(`  ${count} × a limit of JSON Schema: ${limit}`);
}

/** Why ajv refuses a text, or null. */
function refusal(type, body) {
  const validate = validators.get(type);
  if (!validate) return "has no schema for it";
  let message;
  try {
    message = JSON.parse(body);
  } catch {
    return "refuses (not JSON)";
  }
  if (validate(message)) return null;
  const { instancePath, message: why } = validate.errors[0];
  return `refuses (${instancePath || "/"} ${why})`;
}
