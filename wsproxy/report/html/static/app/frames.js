// All frames in a table of which only the visible rows exist, with a filter and a message's details.

const ROW = 26; // pixels
const PREVIEW = 300; // characters of content in a row
const TREE_NODES = 5000;
const SPOKEN = 120; // characters of the content that a screen reader is given
const AROUND = 1; // seconds of audio shown before and after a message's
// Base64 in a message, and what the page has in place of it.
const AUDIO_TEXT = /(^|")[\w+/=-]{60,}|… \(\d+ (characters|numbers)\)/;
const TEXT_CARRIER = /json|text|url|printed/;

class FrameTable {
  constructor(session, cursor, players) {
    this.session = session;
    this.cursor = cursor;
    this.players = players;
    this.frames = session.frames;
    this.chosen = -1;
    this.rows = [];
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
    this.matches = matches;
    this.rows = [];
    this.#addRows(0);
    this.#render();
  }

  // Adds those rows from one on that the filter accepts.
  #addRows(from) {
    const { frames } = this;
    const kind = (row) => (frames.isControl(row) ? "control" : frames.isText(row) || frames.op[row] === "0" ? "text" : "binary");
    for (let row = from; row < frames.rows; row += 1) {
      if (this.sides[frames.side[row]].checked && this.kinds[kind(row)].checked && this.matches(row)) {
        this.rows.push(row);
      }
    }
    this.found.textContent = `${this.rows.length} of ${frames.count} frames`;
    this.element.hidden = !frames.count;
    if (frames.count) this.session.element("frames").querySelector(".none")?.remove();
    this.table.setAttribute("aria-rowcount", this.rows.length + 1);
  }

  // Shows the frames from a row on, which are new; stays where it is, unless that is the end.
  grow(from) {
    const follows = this.atEnd;
    this.#addRows(from);
    this.#render({ changed: false });
    if (follows) this.showEnd();
  }

  // The session has forgotten its first frames.
  forget(rows) {
    const before = this.rows.length;
    this.rows = this.rows.filter((row) => row >= rows).map((row) => row - rows);
    this.chosen = Math.max(-1, this.chosen - rows);
    this.window.scrollTop -= (before - this.rows.length) * ROW;
    this.#render();
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
      if (expression) return (row) => expression.test(this.frames.content[row]);
      return (row) => !text || this.frames.content[row].toLowerCase().includes(text);
    } catch {
      this.found.textContent = "This is not a regular expression.";
      return null;
    }
  }

  // The rows in view, between two empty ones of the height of all others.
  #render({ changed = true } = {}) {
    const { scrollTop, clientHeight } = this.window;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - 5);
    const last = Math.min(this.rows.length, Math.ceil((scrollTop + (clientHeight || 400)) / ROW) + 5);
    this.above.style.height = `${first * ROW}px`;
    this.below.style.height = `${(this.rows.length - last) * ROW}px`;
    // What a reader has selected in rows that stay is not lost.
    if (!changed && this.shown === `${first} ${last}`) return;
    this.shown = `${first} ${last}`;
    const shown = this.rows.slice(first, last).map((row, index) => this.#row(row, first + index));
    this.body.replaceChildren(this.above, ...shown, this.below);
  }

  #row(row, index) {
    const { frames } = this;
    const number = frames.numbers[row];
    const content = frames.content[row];
    const notes = noteText(frames.notes[number]);
    const element = make(
      "tr",
      {
        className: `frame ${frames.side[row] === "c" ? "app" : "server"}${row === this.chosen ? " chosen" : ""}`,
        data: { frameNumber: number },
        onclick: () => this.cursor.moveToRow(row, this) ?? this.choose(row),
      },
      make("td", {}, `#${number}`),
      make("td", {}, frames.t[row].toFixed(3)),
      make("td", {}, frames.side[row] === "c" ? "app →" : "← server"),
      make("td", {}, OPCODES[frames.op[row]] ?? frames.op[row]),
      make("td", {}, String(frames.sizes[row])),
      make("td", {}, make("code", {}, content.slice(0, PREVIEW)), notes ? make("em", {}, ` (${notes})`) : null),
    );
    element.setAttribute("aria-rowindex", index + 2);
    if (row === this.chosen) element.setAttribute("aria-current", "true");
    return element;
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key];
    if (!step || !this.rows.length) return;
    event.preventDefault();
    const at = Math.max(0, firstAtLeast(this.rows, this.chosen));
    const row = this.rows[Math.min(Math.max(at + step, 0), this.rows.length - 1)];
    this.cursor.moveToRow(row, this);
    this.choose(row);
    announce(`${this.frames.title(row)}, ${seconds(this.frames.t[row])}: ${this.frames.content[row].slice(0, SPOKEN)}`);
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
    this.details.replaceChildren(...this.#details(row));
  }

  #reveal() {
    const index = firstAtLeast(this.rows, this.chosen);
    const top = index * ROW;
    const { scrollTop, clientHeight } = this.window;
    if (top < scrollTop || top > scrollTop + clientHeight - 3 * ROW) {
      this.window.scrollTop = Math.max(0, top - clientHeight / 3);
    }
    this.#render();
  }

  #details(row) {
    const { frames } = this;
    const number = frames.numbers[row];
    const content = frames.content[row];
    const shortened = frames.shortened.has(number);
    const notes = noteText(frames.notes[number]);
    const about = [seconds(frames.t[row]), size(frames.sizes[row]), notes].filter(Boolean).join(", ");
    const parsed = frames.isText(row) ? parse(content) : undefined;
    const body =
      parsed !== undefined
        ? jsonTree(parsed)
        : frames.isText(row) || frames.op[row] === "0"
          ? make("pre", {}, content)
          : make("pre", { className: "hex", tabIndex: 0, role: "group", "aria-label": "Bytes" }, hexDump(content));
    return [
      make("h3", {}, frames.title(row)),
      make("p", {}, about),
      make(
        "div",
        { className: "controls" },
        copyButton("Copy", () => content),
        button("Save", () => save(`frame-${number}.${parsed === undefined ? "txt" : "json"}`, content)),
        copyButton("Copy link", () => `${location.href.split("#")[0]}#${this.session.prefix}f${number}`),
      ),
      this.#audio(row),
      shortened ? make("p", { role: "note" }, "This page has only a part of the content.") : null,
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
  const isAudio = (each) => !frames.isControl(each) && (!frames.isText(each) || AUDIO_TEXT.test(frames.content[each]));
  const number = frames.numbers[row];
  const inText = frames.isText(row);
  const track = tracks.find(
    ({ side, map, carrier }) =>
      side === frames.side[row] && TEXT_CARRIER.test(carrier) === inText &&
      map.length > 1 && number >= map[0][2] && number <= map.at(-1)[2],
  );
  if (!track || !isAudio(row)) return null;
  const from = track.positionAt(frames.t[row]) ?? 0;
  let next = row + 1; // the next frame of the same audio
  while (next < frames.rows && !(frames.side[next] === track.side && frames.isText(next) === inText && isAudio(next))) next += 1;
  const isLast = next === frames.rows || number === track.map.at(-1)[2];
  const to = isLast ? track.positions.at(-1) : track.positionAt(frames.t[next]);
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
