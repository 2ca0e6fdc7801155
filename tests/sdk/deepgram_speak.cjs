// @deepgram/sdk, live speech synthesis. Usage: see common.cjs (the audio file is not read).

const { DeepgramClient } = require("@deepgram/sdk");
const { baseUrl, stall, key, seen, version, error, finish } = require("./common.cjs");

seen.sdk = `@deepgram/sdk ${version("@deepgram/sdk")} speak`;

async function main() {
  const client = new DeepgramClient({ apiKey: key, baseUrl });
  const connection = await client.speak.v1.connect({
    model: "aura-2-thalia-en",
    encoding: "linear16",
    sample_rate: 24000,
    reconnectAttempts: 0,
  });
  connection.on("message", (message) => {
    if (message instanceof Blob) seen.audio += message.size;
    else seen.messages.push(message.type);
  });
  connection.on("error", (e) => error(e));
  const closed = new Promise((resolve) =>
    connection.on("close", (event) => {
      seen.messages.push("closed");
      if (event.code !== 1000) error({ message: event.reason ?? "" }, event.code);
      resolve();
    }),
  );
  connection.connect();
  await Promise.race([connection.waitForOpen(), closed]);
  connection.sendText({ type: "Speak", text: "Hello from a made voice." });
  if (!stall) {
    connection.sendFlush({ type: "Flush" });
    connection.sendClose({ type: "Close" });
  }
  await closed;
}

main().catch(error).finally(finish);
