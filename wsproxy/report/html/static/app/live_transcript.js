// The transcript of a session that is being recorded: few of its turns are elements, those around
// what is in view, and few are in the page at all; it asks the server for others.

const TURNS = 50; // that are elements
const STEP = 12; // turns that are added at one end, and removed at the other
const EDGE = 300; // pixels of turns before and after those in view, at least
const KEPT_TURNS = 240;
const USUAL = 36; // pixels of a turn, before any was measured
const LONGEST = 120; // seconds of which the axis shows the words

class LiveTranscript extends Transcript {
  constructor(...given) {
    super(...given);
    this.count = 0; // turns that have ended
    this.turns = new Map(); // by their numbers, from 1; what was used last is the last
    this.open = []; // elements of turns that have not ended
    this.items = new Map(); // elements of the others, by their numbers
    this.first = 1; // the numbers of those
    this.last = 0;
    this.height = USUAL; // pixels of a turn, in the mean
    this.wanted = 0; // counts what was shown: an answer may come too late
    this.isLost = false; // whether the server did not answer
    this.onHear = () => {};
    this.list.addEventListener("keydown", (event) => this.#tab(event));
    const label = "Turns of the transcript";
    this.window = make(
      "div",
      { className: "turn-window", tabIndex: 0, role: "region", "aria-label": label, onscroll: () => this.#fit() },
      this.list,
    );
  }

  show() {
    this.session.transcript.results = [];
    this.grow(this.session.part("turns"));
  }

  // Shows the turns that are new; stays where it is, unless that is the end.
  grow(found) {
    if (!found || !found.results) return;
    const follows = this.atEnd;
    this.count = found.count;
    this.#keep(found.turns);
    if (!this.list.isConnected) this.place(this.window);
    this.#replaceOpen(found.open);
    if (follows) this.showEnd();
    else this.#pad();
  }

  get atEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.window;
    return !this.items.size || scrollTop + clientHeight >= scrollHeight - 30;
  }

  showEnd() {
    this.#show(this.count - TURNS + 1, this.count, () => (this.window.scrollTop = this.window.scrollHeight));
  }

  #keep(turns) {
    this.name(turns.map(({ result }) => result));
    for (const turn of turns) {
      this.turns.delete(turn.n);
      this.turns.set(turn.n, turn);
    }
    for (const n of this.turns.keys()) {
      if (this.turns.size <= KEPT_TURNS) break;
      this.turns.delete(n);
    }
    const inOrder = [...this.turns.values()].sort((one, other) => one.n - other.n);
    this.session.hear(inOrder.map(({ result }) => result));
  }

  #replaceOpen(turns) {
    const elements = turns.map((turn) => this.#element(turn));
    this.open.forEach((element) => element.remove());
    this.list.append(...elements);
    this.open = elements;
    this.name(turns.map(({ result }) => result));
    this.sort();
  }

  #element({ result, interims, since, until }) {
    const ofSpeaker = (each) => !each.final && speakerOf(each) === speakerOf(result);
    const get = async () => ((await ask("results", `numbers=${since}-${until}`)) ?? []).filter(ofSpeaker);
    return this.element({ result, count: interims, interims: get });
  }

  // Shows turns, by their numbers; calls `then` once they are elements.
  async #show(from, to, then = () => {}) {
    const first = Math.max(1, Math.min(from, this.count));
    const last = Math.min(this.count, to);
    const wanted = (this.wanted += 1);
    if (!(await this.#load(first, last)) || wanted !== this.wanted) return;
    const anchor = this.#inView(first, last);
    const top = anchor?.getBoundingClientRect().top;
    this.first = first;
    this.last = last;
    this.#replace();
    this.#measure();
    this.#pad();
    if (anchor) this.window.scrollTop += anchor.getBoundingClientRect().top - top;
    this.sort();
    then();
  }

  // Whether the page has turns now, which it may have had to ask for.
  async #load(first, last) {
    const missing = [];
    for (let n = first; n <= last; n += 1) if (!this.turns.has(n)) missing.push(n);
    if (!missing.length) return true;
    const turns = await ask("turns", `numbers=${missing[0]}-${missing.at(-1)}`);
    if (turns) this.#keep(turns);
    this.isLost = turns === null;
    return !this.isLost;
  }

  // An element in view that stays, so that it can stay where it is.
  #inView(first, last) {
    const { top, bottom } = this.window.getBoundingClientRect();
    for (const [n, item] of this.items) {
      const place = item.getBoundingClientRect();
      if (n >= first && n <= last && place.bottom > top && place.top < bottom) return item;
    }
    return null;
  }

  // Elements that stay are not moved: they would lose the focus. That of the reader stays anyway.
  #replace() {
    let next = this.open[0] ?? null;
    for (const [n, item] of this.items) {
      if (n >= this.first && n <= this.last) continue;
      if (item.contains(document.activeElement)) {
        if (n > this.last) next = item;
        continue;
      }
      item.remove();
      this.items.delete(n);
    }
    for (let n = this.last; n >= this.first; n -= 1) {
      if (!this.items.has(n)) {
        this.items.set(n, this.#item(n));
        this.list.insertBefore(this.items.get(n), next);
      }
      next = this.items.get(n);
    }
  }

  #item(n) {
    const turn = this.turns.get(n);
    const item = turn ? this.#element(turn) : make("li", { className: "turn" }, "The page has no more of this turn.");
    item.setAttribute("aria-posinset", n);
    return item;
  }

  #measure() {
    const [first, last] = [this.items.get(this.first), this.items.get(this.last)];
    if (!first || !last) return;
    const pixels = last.getBoundingClientRect().bottom - first.getBoundingClientRect().top;
    this.height = Math.max(1, pixels / (this.last - this.first + 1));
  }

  // The place of the turns that are no elements.
  #pad() {
    this.list.style.paddingTop = `${(this.first - 1) * this.height}px`;
    this.list.style.paddingBottom = `${(this.count - this.last) * this.height}px`;
    this.items.forEach((item) => item.setAttribute("aria-setsize", this.count));
  }

  // Adds and removes elements, so that those in view are there, and some before and after them.
  #fit() {
    const { top, bottom } = this.window.getBoundingClientRect();
    const begin = this.items.get(this.first)?.getBoundingClientRect().top ?? top;
    const end = this.items.get(this.last)?.getBoundingClientRect().bottom ?? bottom;
    if (begin > bottom || end < top) {
      const n = Math.floor(this.window.scrollTop / this.height) + 1;
      this.#show(n - STEP, n - STEP + TURNS - 1);
    } else if (begin > top - EDGE && this.first > 1) {
      this.#show(this.first - STEP, this.first - STEP + TURNS - 1);
    } else if (end < bottom + EDGE && this.last < this.count) {
      this.#show(this.last + STEP - TURNS + 1, this.last + STEP);
    }
  }

  // The focus goes on to a turn that is no element so far, however fast the keys are.
  #tab(event) {
    const step = event.shiftKey ? -1 : 1;
    const edge = step > 0 ? this.last : this.first;
    const stop = (n, at) => [...(this.items.get(n)?.querySelectorAll("button, summary") ?? [])].at(at);
    const isEdge = event.key === "Tab" && document.activeElement === stop(edge, step > 0 ? -1 : 0);
    if (!isEdge || this.isLost || edge + step < 1 || edge + step > this.count) return;
    event.preventDefault();
    const first = step > 0 ? edge + STEP - TURNS + 1 : edge - STEP;
    this.#show(first, first + TURNS - 1, () => stop(edge + step, step > 0 ? 0 : -1)?.focus());
  }

  // Gets the turns of a time that the axis shows.
  hearSoon(from, to) {
    clearTimeout(this.soon);
    const shown = this.turns.get(Math.max(1, this.count - STEP));
    if (to - from > LONGEST || !shown || from >= shown.result.t) return;
    this.soon = setTimeout(async () => {
      const n = await ask("turns", `at=${Math.max(0, from).toFixed(4)}`);
      if (n && (await this.#load(Math.max(1, n - 1), Math.min(this.count, n + TURNS)))) this.onHear();
    }, SETTLED);
  }
}

if (!live.ended) SessionView.kinds.transcript = LiveTranscript;
