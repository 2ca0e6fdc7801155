// What the Node clients share. Usage of each: node CLIENT.cjs BASE_URL AUDIO [stall]
// See common.py: the arguments, and the JSON object that is printed at the end, are the same.

const fs = require("node:fs");
const path = require("node:path");

const CHUNK = 3200; // bytes: 100 ms
const [address, audioFile, ...rest] = process.argv.slice(2);
const baseUrl = address.endsWith("://")
  ? address + process.env.WSPROXY_URL.split("://")[1]
  : address;

const seen = { sdk: "", messages: [], transcript: "", audio: 0, errors: [] };

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Calls send with each chunk in real time, until it says false.
async function stream(send) {
  const audio = fs.readFileSync(audioFile);
  const started = performance.now();
  for (let at = 0; at < audio.length; at += CHUNK) {
    if (send(audio.subarray(at, at + CHUNK)) === false) return;
    await wait(Math.max(0, started + (at + CHUNK) / 32 - performance.now()));
  }
}

// A package's version, also where its package.json is not exported.
function version(name) {
  for (const folder of require.resolve.paths(name)) {
    const file = path.join(folder, name, "package.json");
    if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file)).version;
  }
  return "?";
}

function error(e, code) {
  seen.errors.push({
    type: e?.constructor?.name ?? typeof e,
    text: e?.message ?? String(e),
    code: code ?? (typeof e?.code === "number" ? e.code : null),
  });
}

function finish() {
  console.log(JSON.stringify(seen));
  process.exit(0);
}

// A client gives up after this long.
setTimeout(finish, 25_000).unref();

module.exports = {
  baseUrl,
  stall: rest.includes("stall"),
  key: process.env.API_KEY ?? "sdk-test-key",
  seen,
  stream,
  version,
  error,
  finish,
};
