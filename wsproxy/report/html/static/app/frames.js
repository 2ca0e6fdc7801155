// All frames in a table of which only the visible rows exist, with a filter and a message's details.

const ROW = 26; // pixels
const PREVIEW = 300; // characters of content in a row
const TREE_NODES = 5000;
const SPOKEN = 120; // characters of the content that a screen reader is given
const SEARCHED = 512; // frames that are got at once while they are searched
const AROUND = 1; // seconds of audio shown before and after a message's
// Base64 in a message, and what the page has in place of it.
const AUDIO_TEXT = /(^|")[\w+/=-]{60,}|… \(\d+ (characters|numbers)\)/;
const TEXT_CARRIER = /json|text|url|printed/;

// The rows of the table: all, or those of frames that a filter accepts.
class RowList {
  // `accepts`: whether a frame is in it; null: all are.
  constructor(frames, accepts) {
    this.frames = frames;
    this.accepts = accepts;
    this.found = [];
    this.searched = 0; // rows
    this.isLoading = false;
  }

  // Looks at rows that it has not seen, as far as the page has their frames; calls `then` once the
  // page has more of them.
  search(then) {
    const { frames, accepts, found } = this;
    if (!accepts) {
      this.searched = frames.rows;
      return;
    }
    for (let frame = frames.at(this.searched); frame; frame = frames.at(this.searched)) {
      if (accepts(frame)) found.push(this.searched);
      this.searched += 1;
    }
    if (this.isLoading || this.searched >= frames.rows) return;
    this.isLoading = true;
    const next = Array.from({ length: SEARCHED }, (_, index) => this.searched + index);
    frames.load(next).then((more) => {
      this.isLoading = false;
      if (more) then();
    });
  }

  get length() {
    return this.accepts ? this.found.length : this.frames.rows;
  }

  row(index) {
    return this.accepts ? this.found[index] : index;
  }

  // The rows from an index on, before another one.
  rows(first, last) {
    return Array.from({ length: Math.max(0, last - first) }, (_, index) => this.row(first + index));
  }

  // The index of a row, or of the next one in the list.
  indexOf(row) {
    return this.accepts ? firstAtLeast(this.found, row) : row;
  }
}

class FrameTable {
  constructor(session, cursor, players) {
    this.session = session;
    this.cursor = cursor;
    this.players = players;
    this.frames = session.frames;
    this.chosen = -1;
    this.list = new RowList(session.frames);
    this.shown = ""; // the rows that exist
    this.#build();
    const section = session.element("frames");
    section.classList.add("enhanced");
    section.append(this.element);
    cursor.addEventListener("move", ({ detail }) => this.#follow(detail));
    this.#filter();
    this.#follow({ row: cursor.row });
  }

  #build() {
    const refilter = () => this.#filter();
    this.search = make("input", {
      type: "search",
      placeholder: "text, or /regular expression/",
      oninput: refilter,
    });
    const check = (text) => make("input", { type: "checkbox", checked: true, onchange: refilter, value: text });
    this.sides = { c: check("c"), s: check("s") };
    this.kinds = { text: check("text"), binary: check("binary"), control: check("control") };
    this.found = make("output", { className: "found" });
    const labelled = (input, text) => make("label", {}, input, ` ${text}`);
    const filter = make(
      "div",
      { className: "controls", role: "search" },
      make("label", {}, "Search ", this.search),
      labelled(this.sides.c, "app →"),
      labelled(this.sides.s, "← server"),
      ...Object.entries(this.kinds).map(([name, input]) => labelled(input, name)),
      this.found,
    );
    const heads = ["Frame", "Time (s)", "Direction", "Type", "Bytes", "Content"];
    this.above = make("tr", { className: "spacer", "aria-hidden": "true" });
    this.below = make("tr", { className: "spacer", "aria-hidden": "true" });
    this.body = make("tbody");
    this.table = make(
      "table",
      { className: "virtual" },
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      this.body,
    );
    this.window = make(
      "div",
      {
        className: "window",
        tabIndex: 0,
        role: "region",
        "aria-label": "Frames; up and down choose one",
        onscroll: () => this.#render({ changed: false }),
        onkeydown: (event) => this.#key(event),
      },
      this.table,
    );
    this.details = make("div", { className: "details", tabIndex: 0, role: "region", "aria-label": "The chosen frame" });
    this.element = make("div", { className: "frame-browser" }, filter, this.window, this.details);
    new ResizeObserver(() => this.#render()).observe(this.window);
  }

  #filter() {
    const matches = this.#matcher();
    if (!matches) return;
    const inputs = [...Object.values(this.sides), ...Object.values(this.kinds)];
    const isAll = !this.search.value && inputs.every(({ checked }) => checked);
    this.list = new RowList(this.frames, isAll ? null : (frame) => this.#isWanted(frame) && matches(frame));
    this.#search();
    this.#render();
  }

  #isWanted(frame) {
    const kind = isControl(frame) ? "control" : isText(frame) || frame.op === "0" ? "text" : "binary";
    return this.sides[frame.side]?.checked && this.kinds[kind].checked;
  }

  // Adds the frames that the filter accepts of those that it has not seen.
  #search() {
    const { frames, list } = this;
    list.search(() => {
      if (list !== this.list) return; // there is another filter
      this.#search();
      this.#render();
    });
    const searched = list.searched < frames.rows ? ` (${list.searched} searched)` : "";
    this.found.textContent = `${list.length} of ${frames.count} frames${searched}`;
    this.element.hidden = !frames.count;
    if (frames.count) this.session.element("frames").querySelector(".none")?.remove();
    this.table.setAttribute("aria-rowcount", list.length + 1);
  }

  // Shows the frames that are new; stays where it is, unless that is the end.
  grow() {
    const follows = this.atEnd;
    this.#search();
    this.#render({ changed: false });
    if (follows) this.showEnd();
  }

  get atEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.window;
    return scrollTop + clientHeight >= scrollHeight - ROW;
  }

  showEnd() {
    this.window.scrollTop = this.window.scrollHeight;
    this.#render({ changed: false });
  }

  // null, and says so, where the regular expression is invalid.
  #matcher() {
    const wanted = this.search.value;
    const pattern = /^\/(.+)\/([imsu]*)$/.exec(wanted);
    try {
      const expression = pattern && new RegExp(pattern[1], pattern[2]);
      const text = wanted.toLowerCase();
      if (expression) return ({ content }) => expression.test(content);
      return ({ content }) => !text || content.toLowerCase().includes(text);
    } catch {
      this.found.textContent = "This is not a regular expression.";
      return null;
    }
  }

  // The rows in view, between two empty ones of the height of all others.
  #render({ changed = true } = {}) {
    const { list } = this;
    const { scrollTop, clientHeight } = this.window;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - 5);
    const last = Math.min(list.length, Math.ceil((scrollTop + (clientHeight || 400)) / ROW) + 5);
    this.above.style.height = `${first * ROW}px`;
    this.below.style.height = `${(list.length - last) * ROW}px`;
    // What a reader has selected in rows that stay is not lost.
    if (!changed && this.shown === `${first} ${last}`) return;
    this.shown = `${first} ${last}`;
    const rows = list.rows(first, last);
    this.body.replaceChildren(this.above, ...rows.map((row, index) => this.#row(row, first + index)), this.below);
    this.frames.load(rows).then((more) => {
      if (more) this.#render();
    });
  }

  #row(row, index) {
    const frame = this.frames.at(row);
    const element = frame ? this.#frameRow(row, frame) : make("tr", { className: "frame" }, make("td", {}, "…"));
    element.setAttribute("aria-rowindex", index + 2);
    if (row === this.chosen) element.setAttribute("aria-current", "true");
    return element;
  }

  #frameRow(row, { number, t, side, op, size: bytes, content, notes }) {
    const note = noteText(notes);
    return make(
      "tr",
      {
        className: `frame ${side === "c" ? "app" : "server"}${row === this.chosen ? " chosen" : ""}`,
        data: { frameNumber: number },
        onclick: () => this.cursor.moveToRow(row, this) ?? this.choose(row),
      },
      make("td", {}, `#${number}`),
      make("td", {}, t.toFixed(3)),
      make("td", {}, side === "c" ? "app →" : "← server"),
      make("td", {}, OPCODES[op] ?? op),
      make("td", {}, String(bytes)),
      make("td", {}, make("code", {}, content.slice(0, PREVIEW)), note ? make("em", {}, ` (${note})`) : null),
    );
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key];
    const { list, frames } = this;
    if (!step || !list.length) return;
    event.preventDefault();
    const at = Math.max(0, list.indexOf(this.chosen));
    const row = list.row(Math.min(Math.max(at + step, 0), list.length - 1));
    this.choose(row);
    frames.need(row, () => {
      if (this.chosen !== row) return;
      const frame = frames.at(row);
      this.cursor.moveToRow(row, this);
      announce(`${titleOf(frame)}, ${seconds(frame.t)}: ${frame.content.slice(0, SPOKEN)}`);
    });
  }

  #follow({ row, by }) {
    if (by === this || row < 0) return;
    if (by instanceof Player) {
      // While audio plays the table follows, and the details stay.
      this.chosen = row;
      this.#reveal();
    } else this.choose(row);
  }

  // Shows a frame and its details.
  choose(row) {
    this.chosen = row;
    this.#reveal();
    this.frames.need(row, () => {
      if (this.chosen === row) this.details.replaceChildren(...this.#details(row));
    });
  }

  #reveal() {
    const index = this.list.indexOf(this.chosen);
    const top = index * ROW;
    const { scrollTop, clientHeight } = this.window;
    if (top < scrollTop || top > scrollTop + clientHeight - 3 * ROW) {
      this.window.scrollTop = Math.max(0, top - clientHeight / 3);
    }
    this.#render();
  }

  #details(row) {
    const frame = this.frames.at(row);
    const { number, content } = frame;
    const about = [seconds(frame.t), size(frame.size), noteText(frame.notes)].filter(Boolean).join(", ");
    const parsed = isText(frame) ? parse(content) : undefined;
    const body =
      parsed !== undefined
        ? jsonTree(parsed)
        : isText(frame) || frame.op === "0"
          ? make("pre", {}, content)
          : make("pre", { className: "hex", tabIndex: 0, role: "group", "aria-label": "Bytes" }, hexDump(content));
    return [
      make("h3", {}, titleOf(frame)),
      make("p", {}, about),
      make(
        "div",
        { className: "controls" },
        copyButton("Copy", () => content),
        button("Save", () => save(`frame-${number}.${parsed === undefined ? "txt" : "json"}`, content)),
        copyButton("Copy link", () => `${location.href.split("#")[0]}#${this.session.prefix}f${number}`),
      ),
      this.#audio(row),
      frame.short ? make("p", { role: "note" }, "This page has only a part of the content.") : null,
      body,
    ].filter(Boolean);
  }

  // Audio is shown as audio: the waveform of what the frame carries, to be played.
  #audio(row) {
    const carried = audioOf(this.session, row);
    if (!carried) return null;
    const { track, from, to } = carried;
    const about = `Audio from ${seconds(from)} to ${seconds(to)} of what the ${SIDES[track.side]} sent.`;
    const play = (text, until) => button(text, () => this.players.play(track, from, until));
    const buttons = track.audio ? [play("Play this message", to), play("Play from here")] : [];
    return make(
      "div",
      {},
      make("p", {}, about),
      track.peaks ? waveformOf(track, from, to) : null,
      make("div", { className: "controls" }, ...buttons),
    );
  }
}

// Which audio a frame carries: {track, from, to}, positions in seconds; null for none.
function audioOf({ frames, tracks }, row) {
  const frame = frames.at(row);
  const inText = isText(frame);
  const isAudio = (each) => !isControl(each) && isText(each) === inText && (!inText || AUDIO_TEXT.test(each.content));
  const track = tracks.find(
    ({ side, map, carrier }) =>
      side === frame.side && TEXT_CARRIER.test(carrier) === inText &&
      map.length > 1 && frame.number >= map[0][2] && frame.number <= map.at(-1)[2],
  );
  if (!track || !isAudio(frame)) return null;
  const from = track.positionAt(frame.t) ?? 0;
  // The next frame of the same audio.
  let next = frames.at(row + 1);
  for (let at = row + 2; next && !(next.side === track.side && isAudio(next)); at += 1) next = frames.at(at);
  const isLast = !next || frame.number === track.map.at(-1)[2];
  const to = isLast ? track.positions.at(-1) : track.positionAt(next.t);
  return to > from ? { track, from, to } : null;
}

// The audio of a message, between a second of what was sent before and after it.
function waveformOf(track, from, to) {
  const label = "Waveform of this message, and of the audio around it";
  const canvas = make("canvas", { width: 600, height: 112, role: "img", "aria-label": label });
  const pen = canvas.getContext("2d");
  const begin = from - AROUND;
  const perPixel = (to + AROUND - begin) / canvas.width;
  pen.fillStyle = colour("line");
  pen.fillRect((from - begin) / perPixel, 0, (to - from) / perPixel, canvas.height);
  pen.fillStyle = colour(track.side === "c" ? "app" : "server");
  const middle = canvas.height / 2;
  for (let x = 0; x < canvas.width; x += 1) {
    const a = begin + x * perPixel;
    const range = a < 0 ? null : track.range(a, a + perPixel);
    if (!range) continue;
    const top = middle - range[1] * middle;
    pen.fillRect(x, top, 1, Math.max(1, middle - range[0] * middle - top));
  }
  return canvas;
}

const NOTES = {
  fin: () => "not the last fragment",
  broken_rule: (rule) => `breaks RFC 6455: ${rule}`,
  redacted: () => "redacted",
  cut: (bytes) => `${bytes} bytes were not recorded`,
  deflated: () => "compressed",
};

function noteText(notes) {
  const texts = Object.entries(notes ?? {}).map(([name, value]) => NOTES[name]?.(value) ?? name);
  return texts.join("; ");
}

function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function jsonTree(value) {
  let left = TREE_NODES;
  const node = (name, child, open) => {
    left -= 1;
    if (left < 0) return make("li", {}, "…");
    const label = name === null ? "" : `${name}: `;
    if (typeof child !== "object" || child === null) {
      return make("li", {}, make("span", { className: "key" }, label), JSON.stringify(child));
    }
    const entries = Object.entries(child);
    const summary = Array.isArray(child) ? `${label}[${entries.length}]` : `${label}{${entries.length}}`;
    const children = make("ul", {}, ...entries.slice(0, 500).map(([key, each]) => node(key, each, left > 0 && entries.length <= 20)));
    return make("li", {}, make("details", { open }, make("summary", {}, summary), children));
  };
  return make("ul", { className: "json" }, node(null, value, true));
}

// Sixteen bytes a line, with the characters that can be printed.
function hexDump(hex) {
  const lines = [];
  for (let at = 0; at < hex.length; at += 32) {
    const bytes = hex.slice(at, at + 32).match(/../g) ?? [];
    const text = bytes.map((byte) => {
      const code = parseInt(byte, 16);
      return code >= 32 && code < 127 ? String.fromCharCode(code) : ".";
    });
    const offset = (at / 2).toString(16).padStart(6, "0");
    lines.push(`${offset}  ${bytes.join(" ").padEnd(47)}  ${text.join("")}`);
  }
  return lines.join("\n");
}
