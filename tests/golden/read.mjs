// Reads the records of a trace on stdin, unpacked by `zstd -dc`, with the msgpack package of
// npm; prints one JSON object a line. Argument: the node_modules folder that has it.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "x.js"));
const { decodeMultiStream } = require("@msgpack/msgpack");

const readable = (value) => {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(readable);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, readable(v)]));
  return value;
};

for await (const record of decodeMultiStream(process.stdin, { useBigInt64: true }))
  console.log(JSON.stringify(readable(record)));
