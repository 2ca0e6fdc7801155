// @deepgram/sdk, live transcription. Usage: see common.cjs.

const { DeepgramClient } = require("@deepgram/sdk");
const { baseUrl, stall, key, seen, stream, version, error, finish } = require("./common.cjs");

seen.sdk = `@deepgram/sdk ${version("@deepgram/sdk")}`;

async function main() {
  const client = new DeepgramClient({ apiKey: key, baseUrl });
  const connection = await client.listen.v1.connect({
    model: "nova-3",
    encoding: "linear16",
    sample_rate: 16000,
    interim_results: "true",
    reconnectAttempts: 0,
  });
  let open = false;
  connection.on("open", () => (open = true));
  connection.on("message", (message) => {
    seen.messages.push(message.type);
    if (message.type === "Results" && message.is_final)
      seen.transcript += message.channel.alternatives[0].transcript + " ";
  });
  connection.on("error", (e) => error(e));
  const closed = new Promise((resolve) =>
    connection.on("close", (event) => {
      open = false;
      seen.messages.push("closed");
      if (event.code !== 1000) error({ message: event.reason ?? "" }, event.code);
      resolve();
    }),
  );
  connection.connect();
  await Promise.race([connection.waitForOpen(), closed]);
  await stream((chunk) => {
    if (!open) return false;
    connection.sendMedia(chunk);
  });
  if (open && !stall) connection.sendCloseStream({ type: "CloseStream" });
  await closed;
}

main().catch(error).finally(finish);
