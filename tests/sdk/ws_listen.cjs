// The ws package by itself, against Deepgram's listen. Usage: see common.cjs.

const WebSocket = require("ws");
const { baseUrl, stall, key, seen, stream, version, error, finish } = require("./common.cjs");

seen.sdk = `ws ${version("ws")}`;

async function main() {
  const socket = new WebSocket(
    `${baseUrl}/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000`,
    { headers: { Authorization: `Token ${key}` } },
  );
  socket.on("message", (data, binary) => {
    const message = JSON.parse(data);
    seen.messages.push(message.type);
    if (message.type === "Results" && message.is_final)
      seen.transcript += message.channel.alternatives[0].transcript + " ";
  });
  socket.on("error", (e) => error(e));
  const closed = new Promise((resolve) =>
    socket.on("close", (code, reason) => {
      seen.messages.push("closed");
      if (code !== 1000) error({ message: reason.toString() }, code);
      resolve();
    }),
  );
  const opened = new Promise((resolve) => socket.on("open", resolve));
  await Promise.race([opened, closed]);
  await stream((chunk) => {
    if (socket.readyState !== WebSocket.OPEN) return false;
    socket.send(chunk);
  });
  if (!stall && socket.readyState === WebSocket.OPEN) socket.send('{"type":"CloseStream"}');
  await closed;
}

main().catch(error).finally(finish);
