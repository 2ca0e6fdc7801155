// @deepgram/sdk in one failing session after another. Usage: see conditions_common.cjs.
// MODE: listen or speak.

const { DeepgramClient } = require("@deepgram/sdk");
const { key, stream, version } = require("./common.cjs");
const { PAUSE, wait, atMost, each } = require("./conditions_common.cjs");

const api = process.argv[4];
const options = {
  listen: { model: "nova-3", encoding: "linear16", sample_rate: 16000 },
  speak: { model: "aura-2-thalia-en", encoding: "linear16", sample_rate: 24000 },
}[api];

each(`@deepgram/sdk ${version("@deepgram/sdk")} ${api}`, async (said, baseUrl) => {
  const client = new DeepgramClient({ apiKey: key, baseUrl });
  const connection = await client[api].v1.connect({ ...options, reconnectAttempts: 0 });
  connection.on("error", (error) => said.error("error event", error));
  const closed = new Promise((resolve) =>
    connection.on("close", (event) => {
      said.closed(event.code, event.reason);
      resolve("closed");
    }),
  );
  connection.connect();
  const opened = connection.waitForOpen().then(
    () => "open",
    (error) => said.error("rejected by waitForOpen", error),
  );
  const first = await Promise.race([opened, closed]);
  if (first !== "open") {
    await atMost(opened, 100);
    return;
  }
  const send = (method, message) => {
    try {
      connection[method](message);
    } catch (error) {
      said.error(`thrown by ${method}`, error);
      return false;
    }
  };
  if (api === "listen") await stream((chunk) => send("sendMedia", chunk));
  else {
    send("sendText", { type: "Speak", text: "Hello from a made voice." });
    await wait(PAUSE);
    send("sendFlush", { type: "Flush" });
  }
  if ((await atMost(closed)) !== "closed") connection.close();
});
