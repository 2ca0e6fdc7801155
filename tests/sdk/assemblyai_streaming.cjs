// assemblyai, Universal-Streaming v3. Usage: see common.cjs. BASE_URL must be wss://.

const { StreamingTranscriber } = require("assemblyai");
const { baseUrl, stall, key, seen, stream, version, error, finish } = require("./common.cjs");

seen.sdk = `assemblyai ${version("assemblyai")} (Node)`;

async function main() {
  const client = new StreamingTranscriber({
    apiKey: key,
    websocketBaseUrl: `${baseUrl}/v3/ws`,
    sampleRate: 16000,
    formatTurns: true,
    connectTimeout: 10_000,
    maxConnectionRetries: 0,
    ...(stall ? { inactivityTimeout: 1 } : {}),
  });
  let open = false;
  client.on("turn", (turn) => {
    seen.messages.push(turn.type);
    if (turn.end_of_turn && !turn.turn_is_formatted) seen.transcript += turn.transcript + " ";
  });
  client.on("error", (e) => error(e));
  const closed = new Promise((resolve) =>
    client.on("close", (code, reason) => {
      open = false;
      seen.messages.push("closed");
      if (code !== 1000) error({ message: reason }, code);
      resolve();
    }),
  );
  const begin = await client.connect();
  seen.messages.push(begin.type);
  open = true;
  await stream((chunk) => {
    if (!open) return false;
    client.sendAudio(chunk);
  });
  if (stall || !open) await closed;
  else await client.close();
}

main().catch(error).finally(finish);
