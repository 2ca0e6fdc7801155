// Playing audio: a player for each track, and one for both sides in stereo.

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const REGIONS = [
  ["silence", "line", "silence"],
  ["near_silence", "line", "near silence"],
  ["clipping", "error", "clipping"],
];
const LONGEST_MIX = 20 * 60; // seconds: the mix is kept uncompressed in memory
const MIX_RATE = 16000;
const BEFORE = 4; // seconds that are played before a moment
const AFTER = 2; // and after it

// One player with a waveform. Positions are seconds of its own audio.
class Player {
  // Options: name, peaks (a list for each channel), duration, load (returns a Blob), timeOf and
  // positionAt (between positions and session times), regions, channels.
  constructor(options, cursor) {
    Object.assign(this, options);
    this.cursor = cursor;
    this.audio = make("audio", { preload: "metadata" });
    this.place = make("div", { className: "waveform" });
    this.play = button("Play", () => this.toggle(), { className: "play" });
    this.play.setAttribute("aria-label", `Play ${this.name}`);
    this.clock = make("span", { className: "clock" }); // not a live region: it moves while it plays
    const speed = make(
      "select",
      { onchange: () => this.#setSpeed(Number(speed.value)) },
      ...SPEEDS.map((rate) => make("option", { value: rate, selected: rate === 1 }, `${rate} ×`)),
    );
    const label = make("label", {}, "Speed ", speed);
    const controls = make("div", { className: "controls" }, this.play, label, this.clock);
    this.element = make("div", { className: "player" }, controls, this.place);
    Player.all.add(this);
    cursor.addEventListener("move", ({ detail }) => this.#follow(detail));
  }

  static all = new Set();

  // Draws the waveform. The element has to be in the page.
  start() {
    this.regionsPlugin = WaveSurfer.Regions.create();
    this.wave = WaveSurfer.create({
      container: this.place,
      media: this.audio,
      peaks: this.peaks,
      duration: this.duration,
      height: this.channels === 2 ? 48 : 72,
      ...this.#colours(),
      cursorWidth: 2,
      dragToSeek: true,
      cspNonce: document.querySelector("style[nonce]")?.nonce,
      plugins: [this.regionsPlugin],
    });
    onColours(() => this.#recolour());
    this.wave.on("ready", () => this.#addRegions());
    this.wave.on("interaction", (a) => this.#moved(a));
    this.wave.on("timeupdate", (a) => this.#tick(a));
    this.wave.on("play", () => this.#name("Pause"));
    this.wave.on("pause", () => this.#name("Play"));
    this.wave.on("finish", () => this.#name("Play"));
    this.#tick(0);
  }

  #name(action) {
    this.play.textContent = action;
    this.play.setAttribute("aria-label", `${action} ${this.name}`);
  }

  // Also the default: loading the file sets the speed to that.
  #setSpeed(rate) {
    this.audio.defaultPlaybackRate = rate;
    this.wave.setPlaybackRate(rate, true);
  }

  #recolour() {
    this.wave.setOptions(this.#colours());
  }

  #colours() {
    const [app, server, link] = ["app", "server", "link"].map(colour);
    const split = [app, server].map((waveColor) => ({ waveColor, progressColor: link }));
    return {
      splitChannels: this.channels === 2 ? split : undefined,
      waveColor: this.side === "c" ? app : server,
      progressColor: link,
      cursorColor: link,
    };
  }

  #addRegions() {
    this.regionsPlugin.clearRegions();
    for (const { start, end, shade, title } of this.regions) {
      const isWide = ((end - start) / this.duration) * this.place.clientWidth > 7 * title.length + 10;
      const content = make("span", { title }, isWide ? title : "");
      // The waveform is in a shadow tree: style sheets of the page do not reach it.
      Object.assign(content.style, {
        display: "block",
        padding: "0 3px",
        font: "11px system-ui, sans-serif",
      });
      const region = this.regionsPlugin.addRegion({
        start,
        end,
        content,
        color: `color-mix(in srgb, ${colour(shade)} 35%, transparent)`,
        drag: false,
        resize: false,
      });
      region.element.title = title;
    }
  }

  // The file is decoded from base64 when it is needed: it can be many megabytes.
  async #ready() {
    if (this.audio.src) return;
    this.audio.src = URL.createObjectURL(await this.load());
    await new Promise((done) => {
      this.audio.addEventListener("loadedmetadata", done, { once: true });
      this.audio.addEventListener("error", done, { once: true });
    });
    if (this.audio.error) this.clock.textContent = "This browser cannot play this audio.";
  }

  async toggle() {
    if (this.wave.isPlaying()) {
      this.until = Infinity;
      this.wave.pause();
      return;
    }
    const a = this.wave.getCurrentTime();
    for (const other of Player.all) if (other !== this) other.wave?.pause();
    await this.#ready();
    Player.current = this;
    this.wave.setTime(a >= this.duration - 0.01 ? 0 : a);
    await this.wave.play();
  }

  // Plays from a position, to another one or to the end.
  async playFrom(a, until = Infinity) {
    this.wave.pause();
    await this.#ready();
    this.wave.setTime(a);
    this.until = until;
    await this.toggle();
  }

  #moved(a) {
    const t = this.timeOf(a);
    if (t !== null) this.cursor.moveTo(t, { by: this });
  }

  #tick(a) {
    this.clock.textContent = `${a.toFixed(2)} of ${this.duration.toFixed(2)} s`;
    if (!this.wave.isPlaying()) return;
    if (a >= this.until) this.wave.pause();
    this.#moved(a);
  }

  // Waits where the cursor is, unless it plays.
  #follow({ t, by }) {
    if (by === this || !this.wave || this.wave.isPlaying()) return;
    const a = this.positionAt(t);
    if (a !== null) this.wave.setTime(Math.min(Math.max(a, 0), this.duration));
  }
}

// The player of a track; null where the page has no audio of it.
function trackPlayer(track, cursor) {
  const { audio } = track;
  if (!audio || !audio.seconds) return null;
  const inFile = ([start, end]) => end > audio.start && start < audio.start + audio.seconds;
  const region = ([start, end], shade, title) => ({
    start: start - audio.start,
    end: end - audio.start,
    shade,
    title,
  });
  const regions = REGIONS.flatMap(([name, shade, title]) =>
    (track.regions[name] ?? []).filter(inFile).map((each) => region(each, shade, title)),
  );
  const faults = track.faults
    .filter(({ start, end }) => inFile([start, end]))
    .map(({ start, end, kind }) => region([start, end], "error", kind.replaceAll("_", " ")));
  return new Player(
    {
      side: track.side,
      name: `the audio of the ${SIDES[track.side]}`,
      channels: 1,
      peaks: trackPeaks(track),
      duration: audio.seconds,
      load: () => fileOf(audio),
      timeOf: (a) => track.timeOf(a + audio.start),
      positionAt: (t) => {
        const a = track.positionAt(t);
        return a === null ? null : a - audio.start;
      },
      regions: [...regions, ...faults],
    },
    cursor,
  );
}

// What a waveform draws upwards, and downwards.
function trackPeaks({ audio, peaks }) {
  if (!peaks) return [[0, 0]];
  const first = Math.floor(audio.start * peaks.per_second);
  const last = Math.ceil((audio.start + audio.seconds) * peaks.per_second);
  return [
    peaks.high.slice(first, last).map((value) => Math.max(0, value) / 127),
    peaks.low.slice(first, last).map((value) => Math.max(0, -value) / 127),
  ];
}

function bytesOf(audio) {
  const text = atob(document.getElementById(audio.element).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const fileOf = async (audio) => new Blob([bytesOf(audio)], { type: audio.type });

// Both sides as they were heard: the app on the left, the server on the right, in session time.
class StereoMix {
  constructor(session) {
    this.tracks = ["c", "s"].map((side) =>
      session.tracks.find((track) => track.side === side && track.audio?.seconds),
    );
  }

  get possible() {
    return this.tracks.every(Boolean) && this.tracks.every(({ map }) => map.length > 1);
  }

  // Returns {blob, peaks, duration, cut}: a WAV file, and whether the end is missing.
  async render() {
    const decoded = await Promise.all(this.tracks.map((track) => decode(track.audio)));
    const placed = this.tracks.map((track) => placements(track));
    const needed = Math.max(...placed.flat().map(({ at, length }) => at + length));
    const duration = Math.min(needed, LONGEST_MIX);
    const channels = decoded.map((samples, index) => {
      const channel = new Float32Array(Math.ceil(duration * MIX_RATE));
      for (const { at, a, length } of placed[index]) {
        const from = Math.round(a * MIX_RATE);
        const piece = samples.subarray(from, from + Math.round(length * MIX_RATE));
        const offset = Math.round(at * MIX_RATE);
        if (offset < channel.length) channel.set(piece.subarray(0, channel.length - offset), offset);
      }
      return channel;
    });
    return {
      blob: wavFile(channels),
      peaks: channels.map((channel) => loudest(channel, MIX_RATE / 50)),
      duration,
      cut: needed > duration,
    };
  }
}

// Where the pieces of a track are heard: when they arrived, or after what came before them.
function placements({ map, audio }) {
  const pieces = [];
  let free = 0;
  for (let i = 1; i < map.length; i += 1) {
    const a = Math.max(map[i - 1][0], audio.start);
    const end = Math.min(map[i][0], audio.start + audio.seconds);
    if (end <= a) continue;
    const at = Math.max(free, map[i - 1][1]);
    pieces.push({ at, a: a - audio.start, length: end - a });
    free = at + end - a;
  }
  return pieces;
}

async function decode(audio) {
  const context = new OfflineAudioContext(1, 1, MIX_RATE);
  const { buffer } = bytesOf(audio);
  const decoded = await context.decodeAudioData(buffer);
  return decoded.getChannelData(0);
}

function loudest(samples, step) {
  const peaks = new Float32Array(Math.ceil(samples.length / step));
  for (let i = 0; i < samples.length; i += 1) {
    const at = Math.floor(i / step);
    const value = Math.abs(samples[i]);
    if (value > peaks[at]) peaks[at] = value;
  }
  return peaks;
}

// 16-bit stereo.
function wavFile([left, right]) {
  const view = new DataView(new ArrayBuffer(44 + left.length * 4));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + left.length * 4, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 2, true);
  view.setUint32(24, MIX_RATE, true);
  view.setUint32(28, MIX_RATE * 4, true);
  view.setUint16(32, 4, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, left.length * 4, true);
  for (let i = 0; i < left.length; i += 1) {
    view.setInt16(44 + i * 4, Math.max(-1, Math.min(1, left[i])) * 32767, true);
    view.setInt16(46 + i * 4, Math.max(-1, Math.min(1, right[i])) * 32767, true);
  }
  return new Blob([view], { type: "audio/wav" });
}

// The "Audio" part: a player in each track's article, and the button for both sides.
class Players {
  constructor(session, cursor) {
    this.session = session;
    this.cursor = cursor;
    this.section = session.element("audio");
    this.players = session.tracks.map((track, index) => {
      const player = trackPlayer(track, cursor);
      if (player) {
        this.section.querySelector(`[data-track="${index}"] h3`).after(player.element);
        player.start();
      }
      return player;
    });
    const mix = new StereoMix(session);
    if (mix.possible) this.#offer(mix);
  }

  // Plays a track, from a position in it, to another one or to its end.
  play(track, a, until = Infinity) {
    const player = this.players[this.session.tracks.indexOf(track)];
    if (player) player.playFrom(Math.max(0, a - track.audio.start), until - track.audio.start);
  }

  // Plays what was heard around a time of the session, of the side that was heard last before it.
  playAround(t) {
    let latest = null;
    this.session.tracks.forEach((track, index) => {
      const heard = this.players[index] && track.lastBefore(t);
      if (heard && (!latest || heard.at > latest.at)) latest = { track, ...heard };
    });
    if (latest) this.play(latest.track, latest.a - BEFORE, latest.a + AFTER);
  }

  get any() {
    return this.players.some(Boolean);
  }

  // Plays or pauses what was played last, or what the page has first.
  toggle() {
    const player = this.players.includes(Player.current) ? Player.current : this.players.find(Boolean);
    player?.toggle();
  }

  #offer(mix) {
    const offer = button("Both sides (app left, server right)", async () => {
      offer.disabled = true;
      offer.textContent = "Mixing…";
      try {
        offer.replaceWith(await this.#mixed(mix));
        this.both.start();
      } catch (error) {
        offer.replaceWith(make("p", { role: "note" }, `The audio cannot be mixed: ${error.message}`));
      }
    });
    this.section.querySelector("h2").after(offer);
  }

  async #mixed(mix) {
    const { blob, peaks, duration, cut } = await mix.render();
    const inSession = (t) => Math.min(t, this.session.end);
    this.both = new Player(
      {
        side: "both",
        name: "both sides",
        channels: 2,
        peaks,
        duration,
        load: async () => blob,
        timeOf: inSession,
        positionAt: inSession,
        regions: [],
      },
      this.cursor,
    );
    const title = `Both sides: app left, server right${cut ? `, the first ${LONGEST_MIX / 60} minutes` : ""}`;
    return make("article", { className: "track" }, make("h3", {}, title), this.both.element);
  }
}
