// Good sessions of the Node SDKs with a simulated API, all at once: dialogues.cjs URL AUDIO NAME...
//
// URL is ws://host:port of a recorder, which accepts wss:// there as well; NAME@HOST talks to
// wss://HOST instead. AUDIO is a WAV file with 16-bit samples at 16 kHz, one channel. Each session
// gives one line of the output: a JSON object with its name, the version of its SDK, and what the
// SDK reported.

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");

const [base, path, ...names] = process.argv.slice(2);
const file = readFileSync(path);
const CHUNK = 3200; // bytes: 100 ms
const PATIENCE = 40_000; // milliseconds

async function stream(send, encode = (chunk) => chunk) {
  const audio = file.subarray(44);
  for (let at = 0; at < audio.length; at += CHUNK) {
    send(encode(audio.subarray(at, at + CHUNK)));
    await sleep(100); // real time
  }
}

// Every second sample twice: this is heard as speech all the same.
function at24kHz(chunk) {
  const samples = [];
  for (let at = 0; at < chunk.length; at += 4)
    samples.push(chunk.subarray(at, at + 4), chunk.subarray(at + 2, at + 4));
  return Buffer.concat(samples);
}

const base64 = (chunk) => chunk.toString("base64");
const bytes = (text) => Buffer.from(text, "base64").length;
const event = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

// Promises that reject when the SDK reports an error.
function failing(emitter, add = "on") {
  return new Promise((_, reject) => emitter[add]("error", (error) => reject(error)));
}

const sessions = {
  deepgram: async ({ url }) => {
    const { DeepgramClient } = require("@deepgram/sdk");
    const client = new DeepgramClient({ apiKey: "key", baseUrl: url });
    const connection = await client.listen.v1.connect({
      model: "nova-3",
      encoding: "linear16",
      sample_rate: 16000,
      reconnectAttempts: 0,
    });
    const texts = [];
    connection.on("message", (message) => {
      if (message.type === "Results") texts.push(message.channel.alternatives[0].transcript);
    });
    const closed = new Promise((resolve) => connection.on("close", resolve));
    connection.connect();
    await connection.waitForOpen();
    await stream((chunk) => connection.sendMedia(chunk));
    connection.sendCloseStream({ type: "CloseStream" });
    await closed;
    return { transcript: texts.join(" ") };
  },

  assemblyai: async ({ secure }) => {
    const { StreamingTranscriber } = require("assemblyai");
    const client = new StreamingTranscriber({
      apiKey: "key",
      websocketBaseUrl: `${secure}/v3/ws`, // ws:// is rejected
      sampleRate: 16000,
      connectTimeout: 10_000,
    });
    const turns = new Map();
    client.on("turn", (turn) => turns.set(turn.turn_order, turn.transcript));
    const failed = failing(client);
    await client.connect();
    await Promise.race([failed, stream((chunk) => client.sendAudio(chunk))]);
    await client.close();
    return { transcript: [...turns.values()].join(" ") };
  },

  openai: async ({ http }) => {
    const { OpenAI } = require("openai");
    const { OpenAIRealtimeWS } = require("openai/realtime/ws");
    const client = new OpenAI({ apiKey: "key", baseURL: `${http}/v1` });
    const connection = new OpenAIRealtimeWS({ model: "gpt-realtime" }, client);
    const failed = failing(connection);
    const events = [];
    let [transcript, spoken] = ["", 0];
    connection.on("event", (message) => events.push(message.type));
    connection.on("response.output_audio.delta", (message) => (spoken += bytes(message.delta)));
    connection.on("conversation.item.input_audio_transcription.completed", (message) => {
      transcript = message.transcript;
    });
    const done = new Promise((resolve) => connection.on("response.done", resolve));
    // Nothing is sent before the server has spoken.
    await Promise.race([failed, new Promise((ok) => connection.on("session.created", ok))]);
    connection.send({
      type: "session.update",
      session: { type: "realtime", instructions: "Be brief." },
    });
    const send = (audio) => connection.send({ type: "input_audio_buffer.append", audio });
    await Promise.race([failed, stream(send, (chunk) => base64(at24kHz(chunk)))]);
    await Promise.race([failed, done]);
    connection.close();
    return { events, transcript, spoken };
  },

  gemini: async ({ http }) => {
    const { GoogleGenAI, Modality } = require("@google/genai");
    const client = new GoogleGenAI({ apiKey: "key", httpOptions: { baseUrl: http } });
    let [transcript, spoken, completed, fail] = ["", 0];
    const done = new Promise((resolve, reject) => ([completed, fail] = [resolve, reject]));
    const session = await client.live.connect({
      model: "gemini-live",
      config: { responseModalities: [Modality.AUDIO] },
      callbacks: {
        onmessage: (message) => {
          const content = message.serverContent ?? {};
          transcript = content.inputTranscription?.text ?? transcript;
          for (const part of content.modelTurn?.parts ?? [])
            spoken += bytes(part.inlineData?.data ?? "");
          if (content.turnComplete) completed();
        },
        onerror: fail,
      },
    });
    const send = (data) =>
      session.sendRealtimeInput({ audio: { data, mimeType: "audio/pcm;rate=16000" } });
    await stream(send, base64);
    await done;
    session.close();
    return { transcript, spoken };
  },

  elevenlabs_agent: async ({ url, http }) => {
    const { ElevenLabsClient } = require("@elevenlabs/elevenlabs-js");
    const { Conversation } = require(
      "@elevenlabs/elevenlabs-js/api/resources/conversationalAi/conversation",
    );
    let [spoken, answered] = [0];
    const [texts, answers] = [[], []];
    const done = new Promise((resolve) => (answered = resolve));
    const audioInterface = {
      start: (send) => stream(send),
      stop: () => {},
      output: (audio) => {
        spoken += audio.length;
        if (texts.length) answered();
      },
      interrupt: () => {},
    };
    const client = new ElevenLabsClient({ apiKey: "key", environment: { base: http, wss: url } });
    const conversation = new Conversation({
      client,
      agentId: "agent",
      requiresAuth: false,
      audioInterface,
      callbackUserTranscript: (text) => texts.push(text),
      callbackAgentResponse: (text) => answers.push(text),
    });
    const failed = failing(conversation);
    conversation._getWssUrl = () => `${url}/v1/convai/conversation?agent_id=agent`; // else its own
    await conversation.startSession();
    await Promise.race([failed, done]);
    conversation.endSession();
    return { transcript: texts.join(" "), answers, spoken };
  },

  elevenlabs_stt: async ({ http }) => {
    const { ElevenLabsClient } = require("@elevenlabs/elevenlabs-js");
    const client = new ElevenLabsClient({ apiKey: "key", baseUrl: http });
    const connection = await client.speechToText.realtime.connect({
      modelId: "scribe_v2_realtime",
      audioFormat: "pcm_16000",
      sampleRate: 16000,
      commitStrategy: "manual",
    });
    const texts = [];
    const failed = failing(connection);
    await Promise.race([failed, new Promise((ok) => connection.on("session_started", ok))]);
    const done = new Promise((resolve) =>
      connection.on("committed_transcript", (message) => {
        texts.push(message.text);
        resolve();
      }),
    );
    await stream((audioBase64) => connection.send({ audioBase64 }), base64);
    connection.commit();
    await Promise.race([failed, done]);
    connection.close();
    return { transcript: texts.join(" ") };
  },

  cartesia: async ({ secure }) => {
    const { Cartesia } = require("@cartesia/cartesia-js");
    const client = new Cartesia({ apiKey: "key", baseURL: secure.replace("wss", "https") });
    const socket = await client.tts.websocket();
    const format = { container: "raw", encoding: "pcm_s16le", sample_rate: 16000 };
    const texts = { one: "Good morning.", two: "How are you today?" };
    const found = await Promise.all(
      Object.entries(texts).map(async ([contextId, transcript]) => {
        const voice = { mode: "id", id: "voice" };
        const options = { model_id: "sonic-3", voice, output_format: format, contextId };
        const context = socket.context(options);
        await context.push({ transcript });
        await context.flush?.();
        await context.no_more_inputs?.();
        const events = [];
        let spoken = 0;
        for await (const message of context.receive()) {
          events.push(message.type);
          if (message.type === "chunk") spoken += message.audio?.length ?? bytes(message.data);
        }
        return { events, spoken };
      }),
    );
    socket.close();
    return {
      contexts: found.map(({ events }) => events.at(-1)),
      spoken: found.reduce((sum, each) => sum + each.spoken, 0),
    };
  },

  hume: async ({ url, http }) => {
    const { HumeClient } = require("hume");
    const environment = {
      base: http,
      evi: `${url}/v0/evi`,
      tts: `${url}/v0/tts`,
      stream: `${url}/v0/stream`,
    };
    const client = new HumeClient({ apiKey: "key", environment });
    const socket = client.empathicVoice.chat.connect();
    const events = [];
    let [transcript, spoken, ended, fail] = ["", 0];
    const done = new Promise((resolve, reject) => ([ended, fail] = [resolve, reject]));
    socket.on("error", fail);
    socket.on("message", (message) => {
      events.push(message.type);
      if (message.type === "user_message") transcript = message.message.content;
      if (message.type === "audio_output") spoken += bytes(message.data);
      if (message.type === "assistant_end") ended();
    });
    await socket.waitForOpen();
    await stream((data) => socket.sendAudioInput({ data }), base64);
    await done;
    socket.close();
    return { events, transcript, spoken };
  },

  soniox: async ({ url }) => {
    const { SonioxNodeClient } = require("@soniox/node");
    const client = new SonioxNodeClient({
      api_key: "key",
      realtime: { ws_base_url: `${url}/transcribe-websocket` },
    });
    const session = client.realtime.stt({
      model: "stt-rt-v5",
      audio_format: "pcm_s16le",
      sample_rate: 16000,
      num_channels: 1,
    });
    const failed = failing(session);
    let transcript = "";
    session.on("result", (result) => {
      for (const token of result.tokens) if (token.is_final) transcript += token.text;
    });
    await session.connect();
    await Promise.race([failed, stream((chunk) => session.sendAudio(chunk))]);
    await session.finish();
    return { transcript };
  },

  gladia: async ({ http }) => {
    const { GladiaClient } = require("@gladiaio/sdk");
    const client = new GladiaClient({ apiKey: "key", apiUrl: http });
    const session = client.liveV2().startSession({
      encoding: "wav/pcm",
      sample_rate: 16000,
      bit_depth: 16,
      channels: 1,
      language_config: { languages: ["en"] },
    });
    const texts = [];
    session.on("message", (message) => {
      if (message.type === "transcript" && message.data.is_final)
        texts.push(message.data.utterance.text);
    });
    const failed = failing(session);
    const ended = event(session, "ended");
    await Promise.race([failed, event(session, "started")]);
    await stream((chunk) => session.sendAudio(chunk));
    session.stopRecording();
    await Promise.race([failed, ended]);
    return { transcript: texts.join(" ") };
  },

  speechmatics: async ({ url }) => {
    const { RealtimeClient } = require("@speechmatics/real-time-client");
    const client = new RealtimeClient({ url: `${url}/v2` });
    const texts = [];
    client.addEventListener("receiveMessage", ({ data }) => {
      if (data.message === "AddTranscript") texts.push(data.metadata.transcript);
      if (data.message === "Error") throw new Error(data.reason);
    });
    await client.start("key", {
      transcription_config: { language: "en" },
      audio_format: { type: "raw", encoding: "pcm_s16le", sample_rate: 16000 },
    });
    await stream((chunk) => client.sendAudio(chunk));
    await client.stopRecognition();
    return { transcript: texts.join(" ") };
  },

  azure_stt: async ({ url }) => {
    const sdk = require("microsoft-cognitiveservices-speech-sdk");
    const config = sdk.SpeechConfig.fromHost(new URL(url), "key");
    const audio = sdk.AudioConfig.fromWavFileInput(file);
    const recognizer = new sdk.SpeechRecognizer(config, audio);
    let hypotheses = 0;
    recognizer.recognizing = () => hypotheses++;
    const result = await new Promise((resolve, reject) =>
      recognizer.recognizeOnceAsync(resolve, reject),
    );
    recognizer.close();
    return { transcript: result.text, hypotheses, error: result.errorDetails };
  },

  azure_tts: async ({ url }) => {
    const sdk = require("microsoft-cognitiveservices-speech-sdk");
    const config = sdk.SpeechConfig.fromHost(new URL(url), "key");
    const synthesizer = new sdk.SpeechSynthesizer(config, null);
    const result = await new Promise((resolve, reject) =>
      synthesizer.speakTextAsync("Good morning.", resolve, reject),
    );
    synthesizer.close();
    return { spoken: result.audioData?.byteLength, error: result.errorDetails };
  },

  revai: async ({ url, http }) => {
    const { RevAiStreamingClient, AudioConfig } = require("revai-node-sdk");
    const token = { token: "key", deploymentConfig: { baseUrl: http, baseWebsocketUrl: url } };
    const layout = ["audio/x-raw", "interleaved", 16000, "S16LE", 1];
    const client = new RevAiStreamingClient(token, new AudioConfig(...layout));
    const failed = new Promise((_, reject) => {
      client.on("connectFailed", reject);
      client.on("error", reject);
    });
    const closed = new Promise((resolve) => client.on("close", resolve));
    const duplex = client.start();
    const texts = [];
    duplex.on("data", (message) => {
      if (message.type === "final") texts.push(message.elements.map((each) => each.value).join(""));
    });
    await Promise.race([failed, event(client, "connect")]);
    await stream((chunk) => duplex.write(chunk));
    client.end();
    await Promise.race([failed, closed]);
    return { transcript: texts.join(" ") };
  },
};

const packages = {
  deepgram: "@deepgram/sdk",
  gemini: "@google/genai",
  elevenlabs_agent: "@elevenlabs/elevenlabs-js",
  elevenlabs_stt: "@elevenlabs/elevenlabs-js",
  cartesia: "@cartesia/cartesia-js",
  soniox: "@soniox/node",
  gladia: "@gladiaio/sdk",
  speechmatics: "@speechmatics/real-time-client",
  azure_stt: "microsoft-cognitiveservices-speech-sdk",
  azure_tts: "microsoft-cognitiveservices-speech-sdk",
  revai: "revai-node-sdk",
};

function version(name) {
  const folder = join(process.env.NODE_PATH, packages[name] ?? name);
  return JSON.parse(readFileSync(join(folder, "package.json"))).version;
}

async function hold(wanted) {
  const [name, host] = wanted.split("@");
  const line = { name };
  const url = host ? `wss://${host}` : base;
  const urls = { url, http: url.replace("ws", "http"), secure: url.replace(/^wss?/, "wss") };
  const late = sleep(PATIENCE, undefined, { ref: false }).then(() => {
    throw new Error("no end");
  });
  try {
    line.version = version(name);
    Object.assign(line, await Promise.race([sessions[name](urls), late]));
  } catch (error) {
    line.failed = String(error?.stack ?? error?.message ?? JSON.stringify(error));
  }
  process.stdout.write(JSON.stringify(line) + "\n");
}

// Loaded first: this takes longer than some servers may take to answer.
for (const name of names.map((each) => each.split("@")[0])) {
  try {
    require(packages[name] ?? name);
  } catch {
    // Its session reports it.
  }
}
process.on("unhandledRejection", (error) => console.error(error));
Promise.all(names.map(hold)).then(() => process.exit(0));
