// The transcript: words that can be clicked and follow the audio, and how interims changed.

class Transcript {
  constructor(session, cursor, players) {
    this.session = session;
    this.cursor = cursor;
    this.players = players;
    this.spoken = []; // [t, element], by time
    this.times = [];
    this.last = 0; // frame of the last result that is shown
    this.waiting = new Map(); // interims that no final has followed, by channel and side
    this.open = []; // their turns
    this.channels = new Set(); // that results name
    this.list = make("ol", { className: "turns" });
    cursor.addEventListener("move", ({ detail }) => this.#mark(detail.t));
    this.grow();
  }

  // Shows the results that are new: a final one with the interims before it, and at the end those
  // that no final one has followed.
  grow() {
    const results = this.session.transcript.results.filter(({ frame }) => frame > this.last);
    if (!results.length) return;
    this.last = results.at(-1).frame;
    results.forEach(({ channel }) => this.channels.add(channel));
    if (!this.list.isConnected) this.#show();
    this.open.forEach((turn) => turn.remove());
    this.list.append(...this.#turns(results));
    this.open = [...this.waiting.values()].map((interims) => this.#turn(null, interims));
    this.list.append(...this.open);
    this.#sort();
  }

  // Forgets the first turns beyond a number.
  trim(turns) {
    while (this.list.children.length > turns) this.list.firstElementChild.remove();
    this.#sort();
  }

  #show() {
    const section = this.session.element("transcript");
    const hint = "Times are those of the results. Click a word to hear it.";
    section.querySelector("p").after(make("p", { className: "hint" }, hint), this.list);
    section.classList.add("enhanced");
  }

  #sort() {
    this.spoken = this.spoken.filter(([, element]) => this.list.contains(element));
    this.spoken.sort(([one], [other]) => one - other);
    this.times = this.spoken.map(([t]) => t);
  }

  #turns(results) {
    const turns = [];
    for (const result of results) {
      const key = JSON.stringify([result.channel, Boolean(result.agent)]);
      const interims = this.waiting.get(key) ?? [];
      if (!result.final) {
        interims.push(result);
        this.waiting.set(key, interims);
        continue;
      }
      turns.push(this.#turn(result, interims));
      this.waiting.delete(key);
    }
    return turns;
  }

  #turn(final, interims) {
    const shown = final ?? interims.at(-1);
    const speaker = shown.agent ? "agent" : "app";
    const who = this.channels.size > 1 && shown.channel ? `${speaker}, channel ${shown.channel}` : speaker;
    const head = make(
      "span",
      { className: "who" },
      button(seconds(shown.t), () => this.#goTo(shown), { title: `frame ${shown.frame}` }),
      ` ${who}${final ? "" : " (no final result)"}`,
    );
    const item = make("li", { className: `turn ${speaker}` }, head, this.#text(shown));
    if (interims.length) item.append(history(interims, final));
    return item;
  }

  #text(result) {
    const place = make("span", { className: "said" });
    const words = result.words.length
      ? result.words
      : [[result.text || "(empty)", result.start, result.end]];
    for (const [text, start] of words) {
      const element = make("button", { type: "button", className: "word" }, text);
      element.addEventListener("click", () => this.#hear(result, start));
      this.spoken.push([this.session.placeOf(result, start).t, element]);
      place.append(element, " ");
    }
    return place;
  }

  #goTo(result) {
    const row = this.session.frames.rowOf(result.frame);
    this.cursor.moveTo(result.t, row < 0 ? {} : { row });
  }

  // The word's audio, and the frame that brought the word.
  #hear(result, start) {
    const { t, track, a } = this.session.placeOf(result, start);
    const row = this.session.frames.rowOf(result.frame);
    this.cursor.moveTo(t, row < 0 ? {} : { row });
    if (a !== null) this.players.play(track, a);
  }

  // The last word that began before a time.
  #mark(t) {
    const element = this.spoken[firstAtLeast(this.times, t + 0.005) - 1]?.[1] ?? null;
    if (element === this.marked) return;
    this.marked?.classList.remove("current");
    element?.classList.add("current");
    this.marked = element;
  }
}

// The interims of a final result: the list is made when it is opened, a long session has many.
function history(interims, final) {
  const count = `${interims.length} interim ${interims.length === 1 ? "result" : "results"}`;
  const details = make("details", {}, make("summary", {}, count));
  details.addEventListener("toggle", () => details.append(changes(interims, final)), { once: true });
  return details;
}

// Interims in their order; what changed is marked.
function changes(interims, final) {
  const list = make("ol", { className: "interims" });
  let before = "";
  for (const result of final ? [...interims, final] : interims) {
    const { t, text } = result;
    const same = commonWords(before, text);
    const line = make("li", { className: result === final ? "final" : "" }, `${seconds(t)} `, text.slice(0, same));
    if (same < text.length) line.append(make("mark", {}, text.slice(same)));
    if (same < before.length && before) {
      line.append(" ", make("del", { title: "replaced" }, before.slice(same)));
    }
    list.append(line);
    before = text;
  }
  return list;
}

// How many characters two texts share at their beginning, in whole words.
function commonWords(one, other) {
  let same = 0;
  while (same < one.length && same < other.length && one[same] === other[same]) same += 1;
  if (same === one.length || same === other.length) return same;
  return one.lastIndexOf(" ", same) + 1;
}
