// assemblyai, v3, in one failing session after another. Usage: see conditions_common.cjs.

const { StreamingTranscriber } = require("assemblyai");
const { key, stream, version } = require("./common.cjs");
const { atMost, each } = require("./conditions_common.cjs");

each(`assemblyai ${version("assemblyai")} (Node)`, async (said, baseUrl) => {
  const client = new StreamingTranscriber({
    apiKey: key,
    websocketBaseUrl: `${baseUrl}/v3/ws`,
    sampleRate: 16000,
    formatTurns: true,
    connectTimeout: 10_000,
    maxConnectionRetries: 0,
  });
  client.on("error", (error) => said.error("error event", error));
  const closed = new Promise((resolve) =>
    client.on("close", (code, reason) => {
      said.closed(code, reason);
      resolve();
    }),
  );
  try {
    await client.connect();
  } catch (error) {
    said.error("rejected by connect", error);
    return;
  }
  await stream((chunk) => {
    try {
      client.sendAudio(chunk);
    } catch (error) {
      said.error("thrown by sendAudio", error);
      return false;
    }
  });
  await atMost(closed);
  await atMost(client.close(false));
});
