// One session of the page, read from its data blocks (page_data.py describes them).
//
// Text of it comes from a trace: it is only ever shown with textContent.

const SIDES = { c: "app", s: "server" };
const NEAR = 0.5; // seconds of audio: what begins so soon before audio resumes, begins there
const OPCODES = { 0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", a: "pong" };

class SessionData {
  // `frames`: the class of its frames.
  constructor(prefix, frames) {
    this.prefix = prefix;
    this.session = this.part("session");
    this.findings = this.part("findings");
    this.lanes = this.part("lanes");
    this.tracks = this.part("tracks").map((track) => new Track(track));
    this.transcript = this.part("transcript");
    this.latency = this.part("latency");
    this.frames = new frames(this.part("frames"), this);
    this.hear(this.transcript.results);
    this.#measure();
  }

  part(name) {
    return JSON.parse(this.element(`data-${name}`).textContent);
  }

  // Adds what a session has more that is being recorded: live.js gets it from the server.
  append({ growth, frames }) {
    grown(this, growth);
    this.tracks.forEach((track, index) => {
      if (track instanceof Track) track.index();
      else this.tracks[index] = new Track(track);
    });
    this.frames.append(frames);
    this.#measure();
  }

  #measure() {
    const { ended, duration } = this.session;
    const last = [ended, duration, this.frames.lastTime, this.lanes.connection.at(-1)?.t];
    // Seconds that the time axis shows.
    this.end = Math.max(0.001, ...last.filter((t) => t !== null && t !== undefined));
  }

  // Has the final ones of some results, in their order.
  hear(results) {
    const finals = results.filter(({ final }) => final);
    this.appFinals = finals.filter(({ agent }) => !agent);
    this.agentFinals = finals.filter(({ agent }) => agent);
  }

  // Where a result, or a word of it, is heard: {t, track, a}; `a` is null where that is unknown.
  //
  // Where the API gives no position, it is the speech between the final result before it and itself.
  placeOf(result, start = result.start) {
    const side = result.agent ? "s" : "c";
    const track = this.tracks.find((each) => each.side === side);
    const a = (result.agent ? null : start) ?? this.#speechBefore(result, track);
    const t = a === null ? null : track?.timeOf(a);
    return t === null || t === undefined ? { t: result.t, track, a: null } : { t, track, a };
  }

  #speechBefore(result, track) {
    if (!track || !result.final) return null;
    const before = this.finals(result.agent).findLast(({ t }) => t < result.t)?.t ?? -1;
    const earlier = track.beginnings.filter(({ t }) => t < result.t);
    return (earlier.find(({ t }) => t > before) ?? earlier.at(-1))?.a ?? null;
  }

  // The final results of the app's audio, or of the agent.
  finals(agent) {
    return agent ? this.agentFinals : this.appFinals;
  }

  element(id) {
    return document.getElementById(this.prefix + id);
  }

  // Where a finding is on the time axis, or null.
  timeOf(finding) {
    for (const { t, frames } of finding.evidence) {
      if (t !== null) return t;
      const row = frames.length ? this.frames.rowOf(frames[0]) : -1;
      if (row >= 0) return this.frames.timeOf(row);
    }
    return null;
  }
}

// Frames in columns, as objects: {number, t, side, op, size, content, short, notes}.
function framesIn({ ranges, t, side, op, length, content, short, notes }) {
  const shortened = new Set(short);
  const frames = [];
  for (const [first, last] of ranges) {
    for (let number = first; number <= last; number += 1) {
      const at = frames.length;
      frames.push({
        number,
        t: t[at],
        side: side[at],
        op: op[at],
        size: length[at],
        content: content[at],
        short: shortened.has(number),
        notes: notes[number],
      });
    }
  }
  return frames;
}

const isText = ({ op }) => op === "1" || op === "8";
const isControl = ({ op }) => op >= "8";
const kindOf = (frame) => (isControl(frame) ? "control" : isText(frame) ? "text" : "binary");

function titleOf({ number, side, op }) {
  return `#${number} ${side === "c" ? "app →" : "← server"} ${OPCODES[op] ?? op}`;
}

// The listed frames. A row is an index into them; frames that are not listed have none.
//
// `LiveFrames` has the same methods for a session that grows, of which the page has few frames.
class Frames {
  constructor(columns) {
    this.count = columns.count;
    this.list = framesIn(columns);
    this.numbers = this.list.map(({ number }) => number);
    this.times = this.list.map(({ t }) => t);
    this.onLoad = () => {}; // called when the page has more of them
  }

  get rows() {
    return this.list.length;
  }

  get lastTime() {
    return this.times.at(-1);
  }

  // The frame of a row; undefined where the page does not have it.
  at(row) {
    return this.list[row];
  }

  timeOf(row) {
    return this.times[row];
  }

  // Calls `then` once the page has a row.
  need(row, then) {
    then();
  }

  // Calls `then` with the row at a time, unless `rowAt` gives it now.
  findAt() {}

  // Gets rows of which the page may not have all. Whether it has more than before.
  async load() {
    return false;
  }

  // The row of a frame, or of the next frame that is listed; -1 after the last.
  rowOf(number) {
    const row = firstAtLeast(this.numbers, number);
    return row < this.rows ? row : -1;
  }

  // The last row at or before a time, or the first row; -1 without rows.
  rowAt(t) {
    const after = firstAtLeast(this.times, t + 1e-9);
    return Math.min(this.rows - 1, Math.max(0, after - 1));
  }

  // Calls `mark(kind, t)` for what one side sent between two times.
  eachMark(side, from, to, mark) {
    for (let row = Math.max(0, this.rowAt(from)); row < this.rows && this.times[row] <= to; row += 1) {
      const frame = this.list[row];
      if (frame.side === side) mark(kindOf(frame), frame.t);
    }
  }
}

// A list of numbers from -128 to 127 that can grow, with a byte for each: there are many.
class SmallNumbers {
  constructor(values) {
    this.bytes = Int8Array.from(values);
    this.length = values.length;
  }

  push(value) {
    if (this.length >= this.bytes.length) {
      const { bytes } = this;
      this.bytes = new Int8Array(2 * bytes.length + 64);
      this.bytes.set(bytes);
    }
    this.bytes[this.length] = value;
    this.length += 1;
  }

  slice(from, to) {
    return Array.from(this.bytes.subarray(from, Math.min(to, this.length)));
  }
}

// Audio of one direction. `map` converts positions in it (a) to times of the session (t).
class Track {
  constructor(data) {
    Object.assign(this, data);
    this.index();
  }

  index() {
    this.positions = this.map.map(([a]) => a);
    this.times = this.map.map(([, t]) => t);
    this.beginnings = this.#beginnings();
    for (const name of this.peaks ? ["low", "high"] : []) {
      const values = this.peaks[name];
      if (Array.isArray(values)) this.peaks[name] = new SmallNumbers(values);
    }
  }

  // Where something new can be heard: [{a, t}] of speech, and of audio after a time without any.
  #beginnings() {
    const resumed = this.positions.filter((a, index) => a === this.positions[index - 1] && a < this.positions.at(-1));
    const nearResumed = (a) => resumed.some((each) => each >= a && each < a + NEAR);
    const spoken = (this.regions.speech ?? []).map(([a]) => a).filter((a) => !nearResumed(a));
    const all = [...resumed, ...spoken].sort((one, other) => one - other);
    return all.map((a) => ({ a, t: this.timeOf(a) }));
  }

  timeOf(a) {
    return interpolate(this.positions, this.times, a);
  }

  // The position that had arrived at a time; null before the first and after the last audio.
  positionAt(t) {
    const { times } = this;
    if (!times.length || t < times[0] || t > times.at(-1)) return null;
    return interpolate(times, this.positions, t);
  }

  // The last position that had arrived at a time, and when it had: {a, at}; null where none had.
  lastBefore(t) {
    const { positions, times } = this;
    if (!times.length || t < times[0]) return null;
    const at = Math.min(t, times.at(-1));
    const a = interpolate(times, positions, at);
    const first = firstAtLeast(positions, a - 1e-6); // where a time without audio begins
    return { a, at: Math.abs(positions[first] - a) < 1e-6 ? Math.min(at, times[first]) : at };
  }

  // The lowest and the highest sample between two positions, -1 to 1; null without samples.
  range(from, to) {
    if (!this.peaks || to <= from) return null;
    const { per_second: rate, low, high } = this.peaks;
    const first = Math.max(0, Math.floor(from * rate));
    const last = Math.min(low.length - 1, Math.max(first, Math.ceil(to * rate) - 1));
    if (first >= low.length) return null;
    let lowest = 127;
    let highest = -127;
    for (let i = first; i <= last; i += 1) {
      if (low.bytes[i] < lowest) lowest = low.bytes[i];
      if (high.bytes[i] > highest) highest = high.bytes[i];
    }
    return [lowest / 127, highest / 127];
  }
}

// A value with its growth, see growth.py of the server.
function grown(value, growth) {
  if ("set" in growth) return growth.set;
  if ("keep" in growth) {
    if (growth.cut) value.splice(...growth.cut);
    value.length = growth.keep;
    growth.more.forEach((each) => value.push(each));
    return value;
  }
  for (const [key, each] of Object.entries(growth.in)) value[key] = grown(value[key], each);
  for (const key of growth.drop) delete value[key];
  return value;
}

// The first index whose value is at least `wanted`, in an ascending array.
function firstAtLeast(values, wanted) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The value of `ys` at `x`, linear between the points; of equal xs the last counts.
function interpolate(xs, ys, x) {
  if (!xs.length) return null;
  const next = firstAtLeast(xs, x + 1e-9);
  if (next === 0) return ys[0];
  if (next === xs.length) return ys.at(-1);
  const [x0, x1, y0, y1] = [xs[next - 1], xs[next], ys[next - 1], ys[next]];
  return x1 === x0 ? y1 : y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}
