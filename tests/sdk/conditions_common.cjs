// What the Node programs of test_sdk_conditions.py share.
// Usage of each: node PROGRAM LISTING AUDIO [MODE]; see conditions_common.py.

const fs = require("node:fs");

const AT_ONCE = 12;
const PATIENCE = 3500; // ms
const PAUSE = 300; // ms
const DEPTH = 4;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What can be read from an error: its own properties, and its cause.
function look(thing, path, found, depth) {
  if (["string", "number", "boolean"].includes(typeof thing)) found[path] = String(thing);
  else if (depth > 0 && typeof thing === "object" && thing !== null)
    for (const name of Object.getOwnPropertyNames(thing))
      if (!["stack", "target"].includes(name) && !name.startsWith("_"))
        look(thing[name], `${path}.${name}`, found, depth - 1);
}

// What an app was told in one session.
class Said {
  constructor(sdk, id) {
    this.line = { id, sdk, said: [] };
  }

  error(where, error) {
    const more = {};
    look(error, "error", more, DEPTH);
    const type = error?.constructor?.name ?? typeof error;
    this.line.said.push({ where, type, text: error?.message ?? String(error), more });
  }

  closed(code, reason) {
    const more = { "event.code": String(code), "event.reason": reason ?? "" };
    this.line.said.push({ where: "close event", type: "", text: `${code} ${reason ?? ""}`, more });
  }
}

// Waits for a promise, but not for ever.
const atMost = (promise, ms = PATIENCE) => Promise.race([promise, wait(ms)]);

// Calls session(said, url) for each condition, some side by side, and prints what was said.
async function each(sdk, session) {
  const cases = JSON.parse(fs.readFileSync(process.argv[2]));
  const worker = async () => {
    for (let next; (next = cases.shift()); ) {
      const said = new Said(sdk, next.id);
      await session(said, next.url).catch((error) => said.error("raised", error));
      console.log(JSON.stringify(said.line));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  process.exit(0);
}

module.exports = { PAUSE, wait, atMost, each };
