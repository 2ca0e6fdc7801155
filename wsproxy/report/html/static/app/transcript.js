// The transcript: words that can be clicked and follow the audio, and how interims changed.

// A turn is {result, count, interims}: a final result, or the last interim one of a speaker whom
// no final one has followed; how many interim ones are before it, and a function that gets them.
class Transcript {
  constructor(session, cursor, players) {
    this.session = session;
    this.cursor = cursor;
    this.players = players;
    this.spoken = []; // [t, element], by time
    this.times = [];
    this.channels = new Set(); // that results name
    this.list = make("ol", { className: "turns" });
    cursor.addEventListener("move", ({ detail }) => this.#mark(detail.t));
  }

  // Shows all results: the final ones, and at the end interim ones that no final one has followed.
  show() {
    const { results } = this.session.transcript;
    if (!results.length) return;
    this.place();
    this.name(results);
    this.list.append(...turnsOf(results).map((turn) => this.element(turn)));
    this.sort();
  }

  // Puts the list, or what it is in, into the page.
  place(element = this.list) {
    const section = this.session.element("transcript");
    const hint = "Times are those of the results. Click a word to hear it.";
    section.querySelector("p").after(make("p", { className: "hint" }, hint), element);
    section.classList.add("enhanced");
  }

  // Remembers the channels of results: where there are several, turns name theirs.
  name(results) {
    results.forEach(({ channel }) => this.channels.add(channel));
  }

  // Follows the words that are in the page now.
  sort() {
    this.spoken = this.spoken.filter(([, element]) => this.list.contains(element));
    this.spoken.sort(([one], [other]) => one - other);
    this.times = this.spoken.map(([t]) => t);
  }

  element({ result, count, interims }) {
    const { final } = result;
    const speaker = result.agent ? "agent" : "app";
    const who = this.channels.size > 1 && result.channel ? `${speaker}, channel ${result.channel}` : speaker;
    const head = make(
      "span",
      { className: "who" },
      button(seconds(result.t), () => this.#goTo(result), { title: `frame ${result.frame}` }),
      ` ${who}${final ? "" : " (no final result)"}`,
    );
    const item = make("li", { className: `turn ${speaker}` }, head, this.#text(result));
    if (count) item.append(history(count, interims, final ? result : null));
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

// Results as turns, each speaker's by themselves.
function turnsOf(results) {
  const turns = [];
  const waiting = new Map(); // interims that no final has followed, by channel and side
  for (const result of results) {
    const key = speakerOf(result);
    const interims = waiting.get(key) ?? [];
    if (result.final) {
      turns.push({ result, count: interims.length, interims: () => interims });
      waiting.delete(key);
    } else {
      interims.push(result);
      waiting.set(key, interims);
    }
  }
  for (const interims of waiting.values()) {
    turns.push({ result: interims.at(-1), count: interims.length, interims: () => interims });
  }
  return turns;
}

const speakerOf = ({ channel, agent }) => JSON.stringify([channel, Boolean(agent)]);

// The interims of a turn: the list is made when it is opened, a long session has many.
function history(count, interims, final) {
  const summary = make("summary", {}, `${count} interim ${count === 1 ? "result" : "results"}`);
  const details = make("details", {}, summary);
  const fill = async () => details.append(changes(await interims(), final));
  details.addEventListener("toggle", fill, { once: true });
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
