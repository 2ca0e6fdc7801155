// The time axis: lanes of both directions over the seconds of the session.

const LANES = { finding: 18, audio: 46, messages: 20, words: 20 };
const NAMES = { finding: "findings", audio: "audio", messages: "messages", words: "words" };
const TICKS = 20; // pixels for the numbers of the axis
const GUTTER = 118; // pixels for the names of the lanes, where there is room for them
const HEAD = 15; // pixels for the name above a lane, where there is not
const NARROW = 640; // pixels of an axis that has no room for them
const FONT = "12px system-ui, sans-serif";
const COLOURS = [
  "text", "soft", "line", "panel", "app", "server", "error", "warning", "info", "link",
];
const TRACKS = 3; // of one direction are drawn

class TimeAxis {
  constructor(session, cursor) {
    this.session = session;
    this.cursor = cursor;
    // What can be shown, and what is; seconds.
    this.range = [0, session.end];
    [this.from, this.to] = this.range;
    this.onShow = () => {};
    this.width = 0; // pixels, when it was painted: asking the element for it takes long
    this.stretch = null; // that a latency covers, see `Latency`
    this.#build();
    this.#arrange();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    onColours(() => {
      this.palette = null;
      this.draw();
    });
    cursor.addEventListener("move", ({ detail }) => this.#follow(detail));
    session.frames.onLoad = () => this.draw();
    this.#follow({ t: cursor.t });
  }

  // Takes lanes and marks from the session.
  #arrange() {
    const { session } = this;
    this.lanes = this.#lanes();
    this.marks = session.findings
      .map((finding) => ({ finding, t: session.timeOf(finding) }))
      .filter(({ t }) => t !== null)
      .sort((one, other) => one.t - other.t);
    this.canvas.setAttribute("aria-valuemax", session.end.toFixed(3));
  }

  // Shows what the session has more; stays where it is, unless that is the end.
  grow() {
    const [begin, end] = this.range;
    const shown = this.to - this.from;
    const followsEnd = this.to >= end - 1e-9;
    const showsAll = followsEnd && this.from <= begin;
    this.range = [begin, this.session.end];
    this.#arrange();
    if (showsAll) this.show(...this.range);
    else if (followsEnd) this.#moveTo(this.session.end - shown);
    else this.draw();
  }

  #lanes() {
    const { session } = this;
    const of = (side) => session.tracks.filter((track) => track.side === side).slice(0, TRACKS);
    const audio = (side) => of(side).map((track) => ({ kind: "audio", side, track }));
    const lanes = [
      ...(session.findings.length ? [{ kind: "finding" }] : []),
      ...audio("c"),
      { kind: "messages", side: "c" },
      { kind: "messages", side: "s" },
      ...audio("s"),
    ];
    for (const side of ["c", "s"]) {
      const spoken = this.#spoken(side);
      if (spoken.length) lanes.push({ kind: "words", side, spoken });
    }
    return lanes.map((lane) => ({ ...lane, height: LANES[lane.kind] }));
  }

  // The final results of a side that have text, with the times of each and of its words.
  #spoken(side) {
    const { session } = this;
    return session.finals(side === "s").filter(({ text }) => text).map((result) => ({
      text: visible(result.text),
      t: session.placeOf(result).t,
      words: result.words.map(([text, start]) => ({ text: visible(text), t: session.placeOf(result, start).t })),
    }));
  }

  #build() {
    const id = `${this.session.prefix}axis-help`;
    this.canvas = make("canvas", {
      className: "axis",
      tabIndex: 0,
      role: "slider",
      "aria-label": "Time in the session",
      "aria-valuemin": "0",
      "aria-describedby": id,
    });
    this.line = make("span", { className: "under-cursor" });
    this.controls = make(
      "div",
      { className: "controls" },
      button("Zoom in", () => this.zoom(0.5)),
      button("Zoom out", () => this.zoom(2)),
      button("All", () => this.show(...this.range)),
      button("Previous finding", () => this.step(-1)),
      button("Next finding", () => this.step(1)),
      this.line,
    );
    const sign = (name, text) => [make("span", { className: `sign ${name}` }), text];
    const help = make(
      "p",
      { id, className: "hint" },
      ...sign("app", "app "),
      ...sign("server", "server "),
      ...sign("gap", "1 s or more without messages "),
      "▼ finding ■ ping, pong, close. ",
      make(
        "span",
        { className: "how" },
        "Click to choose a time, drag to move, Ctrl and wheel to zoom. Keys: arrows, + − 0, n p.",
      ),
    );
    this.element = make("div", { className: "time-axis" }, this.controls, this.canvas, help);
    this.#listen();
  }

  #listen() {
    const { canvas } = this;
    let down = null;
    canvas.addEventListener("pointerdown", (event) => {
      down = { x: event.offsetX, from: this.from, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!down) {
        this.#describe(this.timeAt(event.offsetX));
        return;
      }
      down.moved ||= Math.abs(event.offsetX - down.x) > 4;
      if (down.moved) this.#moveTo(down.from - (event.offsetX - down.x) * this.perPixel);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (down && !down.moved) this.cursor.moveTo(this.timeAt(event.offsetX));
      down = null;
    });
    canvas.addEventListener("pointercancel", () => (down = null));
    canvas.addEventListener("pointerleave", () => this.#describe(this.cursor.t));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.shiftKey) return; // the page scrolls
        event.preventDefault();
        const turned = event.deltaY || event.deltaX;
        if (event.ctrlKey) this.zoom(turned > 0 ? 1.25 : 0.8, this.timeAt(event.offsetX));
        else this.#moveTo(this.from + turned * this.perPixel);
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const action = this.#keys()[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action();
    });
  }

  #keys() {
    const step = (this.to - this.from) / 50;
    return {
      ArrowLeft: () => this.cursor.moveTo(this.cursor.t - step),
      ArrowRight: () => this.cursor.moveTo(this.cursor.t + step),
      PageUp: () => this.cursor.moveTo(this.cursor.t - 10 * step),
      PageDown: () => this.cursor.moveTo(this.cursor.t + 10 * step),
      Home: () => this.cursor.moveTo(0),
      End: () => this.cursor.moveTo(this.session.end),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.show(...this.range),
      n: () => this.step(1),
      p: () => this.step(-1),
    };
  }

  // Pixels left of the time that is shown.
  get gutter() {
    return this.width > NARROW ? GUTTER : 0;
  }

  // Pixels above a lane for its name, where there is none left of it.
  get head() {
    return this.gutter ? 0 : HEAD;
  }

  get height() {
    return this.lanes.reduce((sum, lane) => sum + this.head + lane.height, TICKS);
  }

  get perPixel() {
    return (this.to - this.from) / Math.max(1, this.width - this.gutter);
  }

  timeAt(x) {
    return this.from + Math.max(0, x - this.gutter) * this.perPixel;
  }

  show(from, to) {
    const [begin, end] = this.range;
    const length = Math.min(end - begin, Math.max(to - from, 0.02));
    this.from = Math.min(Math.max(begin, from), end - length);
    this.to = this.from + length;
    this.draw();
    this.onShow(this.from, this.to);
  }

  addControl(element) {
    this.controls.prepend(element);
  }

  // Marks a time of the session as findings are marked, with a text beside it.
  mark(t, severity, title, label) {
    this.marks.push({ finding: { severity, title }, t, label });
    this.marks.sort((one, other) => one.t - other.t);
    if (!this.lanes.some(({ kind }) => kind === "finding")) {
      this.lanes.unshift({ kind: "finding", height: LANES.finding });
    }
    this.draw();
  }

  zoom(factor, around = this.cursor.t) {
    const middle = around >= this.from && around <= this.to ? around : (this.from + this.to) / 2;
    this.show(middle - (middle - this.from) * factor, middle + (this.to - middle) * factor);
  }

  #moveTo(from) {
    this.show(from, from + this.to - this.from);
  }

  // To the next finding after the cursor, or the previous one.
  step(direction) {
    const after = this.marks.filter(({ t }) => (t - this.cursor.t) * direction > 1e-6);
    const mark = direction > 0 ? after[0] : after.at(-1);
    if (!mark) return;
    this.cursor.moveTo(mark.t);
    announce(mark.finding.title);
  }

  #follow({ t, stretch = null }) {
    const { canvas, from, to } = this;
    this.stretch = stretch;
    canvas.setAttribute("aria-valuenow", t.toFixed(3));
    this.#describe(t);
    canvas.setAttribute("aria-valuetext", this.line.textContent);
    if (t < from || t > to) this.#moveTo(t - (to - from) / 4);
    else this.draw();
  }

  #describe(t) {
    const { frames, lanes } = this.session;
    const frame = frames.at(frames.rowAt(t));
    const texts = frame && frame.t <= t + 1e-9 ? [titleOf(frame)] : [];
    for (const { side, start, end } of lanes.gaps) {
      if (start < t && t < end) texts.push(`no messages of the ${SIDES[side]} for ${(end - start).toFixed(1)} s`);
    }
    const { finding } = this.marks.find((mark) => Math.abs(mark.t - t) <= (this.to - this.from) / 250) ?? {};
    if (finding) texts.push(`${finding.severity}: ${finding.title}`);
    this.line.textContent = visible([seconds(t), ...texts].join(", "));
  }

  // Draws with the next frame of the screen, however often it is asked to.
  draw() {
    this.request ??= requestAnimationFrame(() => {
      this.request = null;
      this.#paint();
    });
  }

  #paint() {
    const { canvas } = this;
    const width = canvas.clientWidth;
    if (!width) return;
    this.width = width;
    const ratio = devicePixelRatio || 1;
    canvas.style.height = `${this.height}px`;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(this.height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.palette ??= Object.fromEntries(COLOURS.map((name) => [name, colour(name)]));
    pen.clearRect(0, 0, width, this.height);
    pen.font = FONT;
    pen.textBaseline = "middle";
    this.#paintNames(pen, width);
    pen.save();
    pen.beginPath();
    pen.rect(this.gutter, 0, width - this.gutter, this.height);
    pen.clip();
    this.#paintTicks(pen, width);
    this.#paintStretch(pen);
    this.#eachLane((lane, y) => this[`paint_${lane.kind}`](pen, lane, y, width));
    if (!this.session.frames.count) this.#paintHandshake(pen, width);
    this.#paintEnds(pen);
    const x = this.x(this.cursor.t);
    pen.fillStyle = this.palette.link;
    pen.fillRect(x - 1, 0, 2, this.height);
    pen.restore();
  }

  #eachLane(paint) {
    let y = TICKS;
    for (const lane of this.lanes) {
      paint(lane, y + this.head);
      y += this.head + lane.height;
    }
  }

  x(t) {
    return this.gutter + (t - this.from) / this.perPixel;
  }

  // The names of the lanes, left of them or above them, and the lines between them.
  #paintNames(pen, width) {
    this.#eachLane((lane, y) => {
      pen.fillStyle = this.palette.line;
      pen.fillRect(0, y - this.head, width, 1);
      pen.fillStyle = this.#colourOf(lane, "soft");
      pen.fillText(this.#nameOf(lane), this.gutter ? 8 : 4, y + 1 + (this.gutter ? lane.height : -this.head) / 2);
    });
  }

  #nameOf({ kind, side }) {
    return side ? `${SIDES[side]} ${NAMES[kind]}` : NAMES[kind];
  }

  #colourOf({ side }, other) {
    return this.palette[{ c: "app", s: "server" }[side] ?? other];
  }

  #paintStretch(pen) {
    if (!this.stretch) return;
    const [from, to] = this.stretch.map((t) => this.x(t));
    pen.fillStyle = this.palette.link;
    pen.globalAlpha = 0.2;
    pen.fillRect(from, TICKS, Math.max(2, to - from), this.height);
    pen.globalAlpha = 1;
  }

  #paintTicks(pen, width) {
    const wanted = this.perPixel * Math.min(100, width / 4);
    const magnitude = 10 ** Math.floor(Math.log10(wanted));
    const step = [1, 2, 5, 10].map((n) => n * magnitude).find((each) => each >= wanted);
    const [unit, factor] = this.to < 0.1 ? ["ms", 1000] : ["s", 1];
    const digits = Math.max(0, -Math.floor(Math.log10(step * factor) + 1e-9));
    for (let n = Math.ceil(this.from / step - 1e-9); n * step <= this.to; n += 1) {
      const x = this.x(n * step);
      pen.fillStyle = this.palette.line;
      pen.fillRect(x, TICKS - 5, 1, this.height);
      pen.fillStyle = this.palette.soft;
      pen.fillText(`${(n * step * factor).toFixed(digits)} ${unit}`, x + 4, TICKS / 2);
    }
  }

  paint_finding(pen, lane, y) {
    for (const { finding, t, label } of this.marks) {
      const x = Math.min(this.x(t), this.width - 6);
      pen.fillStyle = this.palette[finding.severity] ?? this.palette.info;
      pen.beginPath();
      pen.moveTo(x - 6, y + 2);
      pen.lineTo(x + 6, y + 2);
      pen.lineTo(x, y + lane.height - 2);
      pen.fill();
      pen.fillRect(this.x(t) - 0.5, y + lane.height - 2, 1, this.height);
      if (label) pen.fillText(label, x - pen.measureText(label).width - 10, y + lane.height / 2 + 1);
    }
  }

  paint_audio(pen, lane, y, width) {
    const middle = y + lane.height / 2;
    const half = lane.height / 2 - 3;
    this.#shade(pen, lane, y);
    pen.fillStyle = this.#colourOf(lane);
    let to = lane.track.positionAt(this.from);
    for (let { gutter: x } = this; x < width; x += 1) {
      const from = to;
      to = lane.track.positionAt(this.timeAt(x + 1));
      const range = from === null || to === null ? null : lane.track.range(from, to);
      if (!range) continue;
      const top = middle - range[1] * half;
      pen.fillRect(x, top, 1, Math.max(1, middle - range[0] * half - top));
    }
  }

  // Stretches of a direction without data, and how long they are where that fits.
  #shade(pen, lane, y) {
    for (const { side, start, end } of this.session.lanes.gaps) {
      if (side !== lane.side) continue;
      const left = Math.max(this.x(start), this.gutter);
      const width = Math.min(this.x(end), this.width) - left;
      pen.fillStyle = this.palette.line;
      pen.globalAlpha = 0.6;
      pen.fillRect(left, y + 2, width, lane.height - 3);
      pen.globalAlpha = 1;
      const length = `${(end - start).toFixed(1)} s`;
      const fits = (text) => pen.measureText(text).width + 12 <= width;
      const text = [`${length} without messages`, length].find(fits);
      if (!text) continue;
      pen.fillStyle = this.palette.soft;
      pen.fillText(text, left + (width - pen.measureText(text).width) / 2, y + lane.height / 2 + 1);
    }
  }

  paint_messages(pen, lane, y, width) {
    if (!this.lanes.some(({ kind, side }) => kind === "audio" && side === lane.side)) {
      this.#shade(pen, lane, y);
    }
    // One mark a pixel and kind: a session can have many more frames.
    const drawn = { text: -1, binary: -1, control: -1 };
    const side = this.#colourOf(lane);
    this.session.frames.eachMark(lane.side, this.from, this.to, (kind, t) => {
      const x = Math.floor(this.x(t));
      if (x === drawn[kind] || x < this.gutter || x > width) return;
      drawn[kind] = x;
      pen.fillStyle = kind === "control" ? this.palette.text : side;
      if (kind === "binary") pen.fillRect(x, y + lane.height - 7, 1, 5);
      else if (kind === "text") pen.fillRect(x, y + 3, 2, lane.height - 5);
      else pen.fillRect(x - 2, y + lane.height / 2 - 2, 5, 5);
    });
  }

  // Words where they were said. A result whose words would overlap is written as one text.
  paint_words(pen, lane, y) {
    const middle = y + lane.height / 2 + 1;
    pen.fillStyle = this.palette.text;
    lane.spoken.forEach(({ text, t, words }, index) => {
      const x = this.x(t);
      const next = this.x(lane.spoken[index + 1]?.t ?? Infinity);
      if (next < this.gutter || x > this.width) return;
      const end = (word) => this.x(word.t) + pen.measureText(word.text).width + 4;
      const fits = (word, n) => end(word) <= (n + 1 < words.length ? this.x(words[n + 1].t) : next);
      if (words.length && words.every(fits)) {
        for (const word of words) pen.fillText(word.text, this.x(word.t), middle);
      } else {
        const left = Math.max(x, Math.min(this.gutter, next));
        pen.fillText(fitting(pen, text, next - left - 6), left, middle);
      }
    });
  }

  // Of a session without messages: the request, and how it was answered.
  #paintHandshake(pen, width) {
    this.#eachLane((lane, y) => {
      if (lane.kind !== "messages") return;
      for (const { t, side, kind, text } of this.session.lanes.connection) {
        if (side !== lane.side || !["request", "response"].includes(kind)) continue;
        const x = this.x(t);
        const end = width - pen.measureText(text).width - 10;
        pen.fillStyle = this.#colourOf(lane);
        pen.fillRect(x - 1, y + 3, 3, lane.height - 5);
        pen.fillText(text, x < end ? x + 6 : end, y + lane.height / 2 + 1);
      }
    });
  }

  // How the session ended, and what the recorder lost.
  #paintEnds(pen) {
    for (const { t, end, kind, text } of this.session.lanes.connection) {
      const x = this.x(t);
      if (kind === "lost") {
        pen.fillStyle = this.palette.warning;
        pen.globalAlpha = 0.25;
        pen.fillRect(x, TICKS, Math.max(2, (end - t) / this.perPixel), this.height);
        pen.globalAlpha = 1;
      } else if (kind === "close" || kind === "failure" || kind === "end") {
        pen.fillStyle = kind === "failure" ? this.palette.error : this.palette.text;
        pen.fillRect(x - 0.5, TICKS, 1, this.height);
        if (kind === "close") this.#flag(pen, x, text);
      }
    }
  }

  #flag(pen, x, text) {
    const label = `close ${text}`.trim().slice(0, 40);
    const width = pen.measureText(label).width + 8;
    const left = Math.max(this.gutter, Math.min(x, this.width - width));
    pen.fillStyle = this.palette.panel;
    pen.fillRect(left - 24, 1, width + 24, TICKS - 6); // and what it would cut of a number
    pen.fillStyle = this.palette.text;
    pen.fillText(label, left + 4, TICKS / 2);
  }
}
