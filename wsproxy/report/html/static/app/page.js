// What all parts of the page use: elements, numbers, colours, the clipboard, and the cursor.

// Control characters, and those that change the direction of text: seen as escapes, they cannot
// make a text look like another one.
const UNSEEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function visible(text) {
  return text.replace(UNSEEN, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  });
}

// An element with properties, and children of which strings become text.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role" || name === "for") element.setAttribute(name, value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element[name] = value;
  }
  for (const child of children) {
    if (child !== null) element.append(typeof child === "string" ? visible(child) : child);
  }
  return element;
}

function button(text, onclick, properties = {}) {
  return make("button", { type: "button", onclick, ...properties }, text);
}

// As `wsproxy show` prints times: seconds.
const seconds = (t) => `${t.toFixed(3)} s`;

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// The value of a colour of report.css in the current scheme.
const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Calls `draw` when colours change: the scheme of the system, or that of the printer.
function onColours(draw) {
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", draw);
  }
}

// The page may be opened from a file, where the clipboard's API can be missing.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { value: text, className: "off-screen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function copyButton(label, text) {
  const element = button(label, async () => {
    await copy(text());
    element.textContent = "Copied";
    announce("Copied");
    setTimeout(() => (element.textContent = label), 1500);
  }, { className: "copy-button" });
  return element;
}

function save(name, content) {
  const url = URL.createObjectURL(new Blob([content]));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// Says something to screen readers.
function announce(text) {
  const id = "announcements";
  let region = document.getElementById(id);
  if (!region) {
    region = make("div", { id, className: "off-screen", role: "status", "aria-live": "polite" });
    document.body.append(region);
  }
  region.textContent = visible(text);
}

const NARROWEST = 20; // pixels in which a text is written

// The beginning of a text that fits a width; "" where nothing does.
function fitting(pen, text, width) {
  if (width < NARROWEST) return ""; // it is measured very often
  const shown = text.slice(0, Math.min(500, Math.ceil(width / NARROWEST) * 10));
  if (pen.measureText(shown).width <= width) return shown;
  let length = 0; // the measure grows with the length
  for (let step = 512; step >= 1; step /= 2) {
    if (pen.measureText(`${shown.slice(0, length + step)}…`).width <= width) length += step;
  }
  return length < 3 ? "" : `${shown.slice(0, length)}…`;
}

// The place in the session that all parts of the page show.
//
// Events: "move" with `detail` {t, row, by, stretch}: the part that moved it has moved itself already.
class Cursor extends EventTarget {
  constructor(session) {
    super();
    this.session = session;
    this.t = 0;
    this.row = session.frames.rowAt(0);
  }

  // `stretch`: from when to when the thing lasted that is at this time.
  moveTo(t, { row = null, by = null, stretch = null } = {}) {
    const { frames } = this.session;
    this.t = Math.min(Math.max(t, 0), this.session.end);
    this.row = row ?? frames.rowAt(t);
    this.#notify({ by, stretch });
    if (row !== null) return;
    const place = this.t;
    frames.findAt(t, (found) => {
      if (this.t !== place || this.row === found) return; // it has moved on
      this.row = found;
      this.#notify({ by, stretch });
    });
  }

  #notify(how) {
    this.dispatchEvent(new CustomEvent("move", { detail: { t: this.t, row: this.row, ...how } }));
  }

  moveToRow(row, by = null) {
    const { frames } = this.session;
    frames.need(row, () => this.moveTo(frames.at(row).t, { row, by }));
  }
}
