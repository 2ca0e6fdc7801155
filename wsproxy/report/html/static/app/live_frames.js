// The frames of a session that is being recorded. The page has those that it shows, and some more;
// it asks the server for others.

const KEPT_FRAMES = 3000;
const KEPT_CHARACTERS = 2e6; // of their contents
const BLOCK = 64; // frames that are got together
const AT_ONCE = 512; // frames of one answer
const DRAWN = 800; // frames that the time axis has one by one; of more, what is in its intervals
const SETTLED = 150; // milliseconds without a change of what the axis shows, before it is got
const SHIFT = { c: 0, s: 3 }; // of the bits of a side
const BITS = [["text", 1], ["binary", 2], ["control", 4]];

const live = JSON.parse(document.getElementById("data-live").textContent);

// A part of the session; null where the server does not have it.
async function ask(what, query) {
  try {
    const answer = await fetch(`${live.id}/${what}?${query}`);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

// As `Frames`. A row is the number of a frame less one.
class LiveFrames {
  constructor(columns, session) {
    this.session = session;
    session.marks = session.part("marks"); // see frame_marks.py of the server
    this.until = []; // how many frames there are until the end of each of its intervals
    this.kept = new Map(); // by row; what was used last is the last
    this.characters = 0;
    this.asked = new Map(); // answers that are awaited, by row
    this.sought = null; // the last time that was sought
    this.isSeeking = false;
    this.lastTime = undefined;
    this.onLoad = () => {};
    this.append(columns);
  }

  append(columns) {
    this.count = columns.count;
    this.lastTime = columns.t.at(-1) ?? this.lastTime;
    this.#keep(framesIn(columns));
    let until = 0;
    this.until = this.session.marks.counts.map((count) => (until += count));
  }

  #keep(frames) {
    for (const frame of frames) {
      this.#forget(frame.number - 1);
      this.kept.set(frame.number - 1, frame);
      this.characters += frame.content.length;
    }
    for (const row of this.kept.keys()) {
      if (this.kept.size <= KEPT_FRAMES && this.characters <= KEPT_CHARACTERS) break;
      this.#forget(row);
    }
  }

  #forget(row) {
    this.characters -= this.kept.get(row)?.content.length ?? 0;
    this.kept.delete(row);
  }

  get rows() {
    return this.count;
  }

  at(row) {
    const frame = this.kept.get(row);
    if (frame) {
      this.kept.delete(row);
      this.kept.set(row, frame);
    }
    return frame;
  }

  // Of a frame that the page does not have: when its interval of the time axis begins.
  timeOf(row) {
    return this.kept.get(row)?.t ?? firstAtLeast(this.until, row + 1) * this.session.marks.width;
  }

  need(row, then) {
    if (this.kept.has(row)) then();
    else this.load([row]).then(() => this.kept.has(row) && then());
  }

  async load(rows) {
    const missing = rows.filter((row) => row >= 0 && row < this.count && !this.kept.has(row));
    const found = missing.map((row) => this.asked.get(row)).filter(Boolean);
    const wanted = this.#widened(missing.filter((row) => !this.asked.has(row)));
    for (let at = 0; at < wanted.length; at += AT_ONCE) found.push(this.#get(wanted.slice(at, at + AT_ONCE)));
    return (await Promise.all(found)).some(Boolean);
  }

  // Rows that follow each other, with those around them.
  #widened(rows) {
    if (!rows.length || rows.at(-1) - rows[0] >= rows.length) return rows;
    const first = Math.floor(rows[0] / BLOCK) * BLOCK;
    const last = Math.min(this.count, Math.ceil((rows.at(-1) + 1) / BLOCK) * BLOCK);
    const all = Array.from({ length: last - first }, (_, index) => first + index);
    return all.filter((row) => !this.kept.has(row) && !this.asked.has(row));
  }

  #get(rows) {
    const answer = this.#answer(rows);
    rows.forEach((row) => this.asked.set(row, answer));
    return answer;
  }

  async #answer(rows) {
    const columns = await ask("frames", `numbers=${ranges(rows.map((row) => row + 1))}`);
    rows.forEach((row) => this.asked.delete(row));
    if (!columns) return false;
    const frames = framesIn(columns);
    const numbers = new Set(frames.map(({ number }) => number));
    const lost = rows.filter((row) => !numbers.has(row + 1)).map((row) => this.#lost(row));
    this.#keep([...frames, ...lost]);
    this.onLoad();
    return true;
  }

  // A frame that the trace no longer has.
  #lost(row) {
    return { number: row + 1, t: this.timeOf(row), side: "", op: "?", size: 0, content: "", short: true };
  }

  rowOf(number) {
    return number <= this.count ? number - 1 : -1;
  }

  // Estimated where the page does not have the frames of that time.
  rowAt(t) {
    if (!this.count) return -1;
    const { kept } = this;
    const [before, until, part] = this.#interval(t);
    let row = Math.max(0, before + Math.floor((until - before) * part) - 1);
    while (kept.get(row + 1)?.t <= t + 1e-9) row += 1;
    while (row > 0 && kept.get(row)?.t > t + 1e-9) row -= 1;
    return row;
  }

  // How many frames are before the interval of a time, and until its end; which part of it is over.
  #interval(t) {
    const { until } = this;
    const { width } = this.session.marks;
    if (t >= until.length * width) return [this.count, this.count, 1];
    const at = Math.max(0, Math.floor(t / width));
    return [at ? until[at - 1] : 0, until[at], Math.max(0, t / width - at)];
  }

  #isKnown(t) {
    const row = this.rowAt(t);
    const [frame, next] = [this.kept.get(row), this.kept.get(row + 1)];
    if (!frame || (row > 0 && frame.t > t + 1e-9)) return row < 0;
    return row === this.count - 1 || next?.t > t;
  }

  findAt(t, then) {
    if (this.#isKnown(t)) return;
    this.sought = { t, then };
    if (!this.isSeeking) this.#seek();
  }

  async #seek() {
    this.isSeeking = true;
    while (this.sought) {
      const { t, then } = this.sought;
      this.sought = null;
      const columns = await ask("frames", `at=${Math.max(0, t).toFixed(4)}`);
      if (!columns) continue;
      this.#keep(framesIn(columns));
      then(columns.at - 1);
    }
    this.isSeeking = false;
    this.onLoad();
  }

  eachMark(side, from, to, mark) {
    const [first] = this.#interval(from);
    const [, until] = this.#interval(to);
    const rows = until - first;
    if (rows <= DRAWN && this.#hasAll(first, until)) {
      for (let row = first; row < until; row += 1) {
        const frame = this.at(row);
        if (frame.side === side && frame.t <= to) mark(kindOf(frame), frame.t);
      }
      return;
    }
    if (rows <= DRAWN) this.#loadSoon(first, until);
    const { width, kinds } = this.session.marks;
    const last = Math.min(kinds.length - 1, Math.floor(to / width));
    for (let at = Math.max(0, Math.floor(from / width)); at <= last; at += 1) {
      for (const [kind, bit] of BITS) {
        if ((kinds[at] >> SHIFT[side]) & bit) mark(kind, at * width);
      }
    }
  }

  #hasAll(first, until) {
    for (let row = first; row < until; row += 1) if (!this.kept.has(row)) return false;
    return true;
  }

  #loadSoon(first, until) {
    clearTimeout(this.soon);
    const rows = Array.from({ length: until - first }, (_, index) => first + index);
    this.soon = setTimeout(() => this.load(rows), SETTLED);
  }
}

// Numbers, ascending, as the server reads them: "1-64,80".
function ranges(numbers) {
  const found = [];
  for (const number of numbers) {
    if (found.at(-1)?.[1] === number - 1) found.at(-1)[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join();
}

if (!live.ended) SessionView.kinds.frames = LiveFrames;
