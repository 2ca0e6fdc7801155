// The time axis: lanes of both directions over the seconds of the session.

const LANES = { finding: 16, audio: 44, messages: 16, words: 20 };
const TICKS = 18; // pixels for the numbers of the axis
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
    // Pixels. The canvas is not asked for each mark: that lays out the page again.
    this.width = 0;
    this.#build();
    this.#arrange();
    new ResizeObserver(() => {
      this.width = this.canvas.clientWidth;
      this.draw();
    }).observe(this.canvas);
    onColours(() => {
      this.palette = null;
      this.draw();
    });
    cursor.addEventListener("move", ({ detail }) => this.#follow(detail));
    this.#follow({ t: cursor.t });
  }

  // Takes lanes and marks from the session.
  #arrange() {
    const { session } = this;
    this.lanes = this.#lanes();
    this.height = TICKS + this.lanes.reduce((sum, lane) => sum + lane.height, 0);
    this.marks = session.findings
      .map((finding) => ({ finding, t: session.timeOf(finding) }))
      .filter(({ t }) => t !== null)
      .sort((one, other) => one.t - other.t);
    this.canvas.style.height = `${this.height}px`;
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
    if (session.appTrack && session.transcript.results.some((result) => result.final)) {
      lanes.push({ kind: "words" });
    }
    return lanes.map((lane) => ({ ...lane, height: LANES[lane.kind] }));
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
    this.line = make("output", { className: "under-cursor" });
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
    const help = make(
      "p",
      { id, className: "hint" },
      "Click to choose a time, drag to move, Ctrl and wheel to zoom. Keys: arrows, + and −, 0 for " +
        "all, n and p for the next and previous finding.",
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

  get perPixel() {
    return (this.to - this.from) / Math.max(1, this.width);
  }

  timeAt(x) {
    return this.from + x * this.perPixel;
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

  // Marks a time of the session as findings are marked.
  mark(t, severity, title) {
    this.marks.push({ finding: { severity, title }, t });
    this.marks.sort((one, other) => one.t - other.t);
    if (!this.lanes.some(({ kind }) => kind === "finding")) {
      this.lanes.unshift({ kind: "finding", height: LANES.finding });
      this.height += LANES.finding;
      this.canvas.style.height = `${this.height}px`;
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

  #follow({ t }) {
    const { canvas, from, to } = this;
    canvas.setAttribute("aria-valuenow", t.toFixed(3));
    this.#describe(t);
    canvas.setAttribute("aria-valuetext", this.line.textContent);
    if (t < from || t > to) this.#moveTo(t - (to - from) / 4);
    else this.draw();
  }

  #describe(t) {
    const { frames } = this.session;
    const row = frames.rowAt(t);
    const near = row >= 0 ? `, ${frames.title(row)}` : "";
    this.line.textContent = `${seconds(t)}${near}`;
  }

  // Draws with the next frame of the screen, however often it is asked to.
  draw() {
    this.request ??= requestAnimationFrame(() => {
      this.request = null;
      this.#paint();
    });
  }

  #paint() {
    const { canvas, width } = this;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(this.height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.palette ??= Object.fromEntries(COLOURS.map((name) => [name, colour(name)]));
    pen.clearRect(0, 0, width, this.height);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    this.#paintTicks(pen, width);
    let y = TICKS;
    for (const lane of this.lanes) {
      this[`paint_${lane.kind}`](pen, lane, y, width);
      y += lane.height;
    }
    this.#paintEnds(pen);
    const x = this.x(this.cursor.t);
    pen.fillStyle = this.palette.link;
    pen.fillRect(x - 1, 0, 2, this.height);
  }

  x(t) {
    return (t - this.from) / this.perPixel;
  }

  #paintTicks(pen, width) {
    const wanted = ((this.to - this.from) / width) * 90;
    const magnitude = 10 ** Math.floor(Math.log10(wanted));
    const step = [1, 2, 5, 10].map((n) => n * magnitude).find((each) => each >= wanted);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    pen.fillStyle = this.palette.soft;
    for (let t = Math.ceil(this.from / step) * step; t <= this.to; t += step) {
      const x = this.x(t);
      pen.fillRect(x, TICKS - 4, 1, 4);
      pen.fillText(`${t.toFixed(digits)} s`, x + 3, TICKS / 2 - 1);
    }
  }

  paint_finding(pen, lane, y) {
    for (const { finding, t } of this.marks) {
      const x = this.x(t);
      pen.fillStyle = this.palette[finding.severity] ?? this.palette.text;
      pen.beginPath();
      pen.moveTo(x - 6, y + 2);
      pen.lineTo(x + 6, y + 2);
      pen.lineTo(x, y + lane.height - 2);
      pen.fill();
      pen.fillRect(x - 0.5, y + lane.height - 2, 1, this.height);
    }
  }

  paint_audio(pen, lane, y, width) {
    const middle = y + lane.height / 2;
    const half = lane.height / 2 - 3;
    this.#shade(pen, lane, y);
    pen.fillStyle = this.palette[lane.side === "c" ? "app" : "server"];
    let to = lane.track.positionAt(this.timeAt(0));
    for (let x = 0; x < width; x += 1) {
      const from = to;
      to = lane.track.positionAt(this.timeAt(x + 1));
      const range = from === null || to === null ? null : lane.track.range(from, to);
      if (!range) continue;
      const top = middle - range[1] * half;
      pen.fillRect(x, top, 1, Math.max(1, middle - range[0] * half - top));
    }
    this.#label(pen, lane, y, "audio");
  }

  // Stretches of a direction without data.
  #shade(pen, lane, y) {
    pen.fillStyle = this.palette.line;
    pen.globalAlpha = 0.45;
    for (const gap of this.session.lanes.gaps) {
      if (gap.side !== lane.side) continue;
      pen.fillRect(this.x(gap.start), y + 1, (gap.end - gap.start) / this.perPixel, lane.height - 2);
    }
    pen.globalAlpha = 1;
  }

  paint_messages(pen, lane, y, width) {
    if (!this.lanes.some(({ kind, side }) => kind === "audio" && side === lane.side)) {
      this.#shade(pen, lane, y);
    }
    const { frames } = this.session;
    const first = Math.max(0, frames.rowAt(this.from));
    // One mark a pixel and kind: a session can have many more frames.
    const drawn = { text: -1, binary: -1, control: -1 };
    const side = this.palette[lane.side === "c" ? "app" : "server"];
    for (let row = first; row < frames.rows && frames.t[row] <= this.to; row += 1) {
      if (frames.side[row] !== lane.side) continue;
      const kind = frames.isControl(row) ? "control" : frames.isText(row) ? "text" : "binary";
      const x = Math.floor(this.x(frames.t[row]));
      if (x === drawn[kind] || x < 0 || x > width) continue;
      drawn[kind] = x;
      pen.fillStyle = kind === "control" ? this.palette.text : side;
      if (kind === "binary") pen.fillRect(x, y + lane.height - 5, 1, 3);
      else if (kind === "text") pen.fillRect(x, y + 2, 2, lane.height - 4);
      else pen.fillRect(x - 1, y + lane.height / 2 - 2, 4, 4);
    }
    this.#label(pen, lane, y, "messages");
  }

  paint_words(pen, lane, y) {
    const track = this.session.appTrack;
    pen.fillStyle = this.palette.text;
    let free = -Infinity; // no text is written over another
    for (const result of this.session.transcript.results) {
      if (!result.final || result.agent) continue;
      const words = result.words.length ? result.words : [[result.text, result.start]];
      for (const [word, start] of words) {
        const t = start === null || start === undefined ? result.t : track.timeOf(start);
        if (t === null || t > this.to) continue;
        const x = this.x(t);
        if (x < free) continue;
        const text = word.slice(0, 200);
        const end = x + pen.measureText(text).width + 4;
        if (end > 0) pen.fillText(text, x, y + lane.height / 2);
        free = end;
      }
    }
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
    const label = `close ${text}`.slice(0, 40);
    const width = pen.measureText(label).width + 6;
    const left = Math.min(x, this.width - width);
    pen.fillStyle = this.palette.panel;
    pen.fillRect(left, this.height - 16, width, 15);
    pen.fillStyle = this.palette.text;
    pen.fillText(label, left + 3, this.height - 8);
  }

  #label(pen, lane, y, what) {
    const text = `${lane.side === "c" ? "app" : "server"} ${what}`;
    pen.fillStyle = this.palette.panel;
    pen.globalAlpha = 0.75;
    pen.fillRect(0, y + 1, pen.measureText(text).width + 6, 13);
    pen.globalAlpha = 1;
    pen.fillStyle = this.palette.soft;
    pen.fillText(text, 3, y + 8);
  }
}
