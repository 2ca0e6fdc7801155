// The start page of `wsproxy view`: the sessions of a folder, as they are recorded.

const MAX_SHOWN = 500; // rows of the table
const RETRY = 2000; // milliseconds
const CELLS = ["began", "session", "duration", "frames", "state", "finding"];

class SessionList {
  constructor() {
    this.version = 0;
    this.rows = new Map(); // by the ids of their sessions
    this.elements = new Map();
    this.body = document.querySelector("#sessions tbody");
    this.count = document.getElementById("count");
    this.more = document.getElementById("more");
    this.status = document.getElementById("live");
    this.text = document.getElementById("filter-text");
    this.provider = document.getElementById("filter-provider");
    this.state = document.getElementById("filter-state");
    for (const input of [this.text, this.provider, this.state]) {
      input.addEventListener("input", () => this.#show());
    }
    this.#connect();
  }

  #connect() {
    const socket = new WebSocket(new URL("updates", location.href).href.replace(/^http/, "ws"));
    socket.onopen = () => {
      this.status.textContent = "";
      // A server that was started again counts from the beginning, but has another token.
      socket.send(String(this.version));
    };
    socket.onmessage = ({ data }) => {
      this.#apply(JSON.parse(data));
      socket.send(String(this.version));
    };
    socket.onclose = () => {
      this.status.textContent = "No connection to `wsproxy view`; trying again…";
      setTimeout(() => this.#connect(), RETRY);
    };
  }

  #apply({ version, sessions, removed }) {
    this.version = version;
    for (const id of removed) {
      this.rows.delete(id);
      this.elements.delete(id);
    }
    for (const row of sessions) {
      this.rows.set(row.id, row);
      this.#fill(row);
    }
    this.#listChoices(this.provider, "provider");
    this.#listChoices(this.state, "state");
    this.#show();
  }

  // Adds the values that sessions have to a filter.
  #listChoices(select, name) {
    const known = new Set([...select.options].map(({ value }) => value));
    for (const value of new Set([...this.rows.values()].map((row) => row[name]))) {
      if (value && !known.has(value)) select.append(make("option", { value }, value));
    }
  }

  #fill(row) {
    let element = this.elements.get(row.id);
    if (!element) {
      const link = make("a", { href: `session/${row.id}` });
      element = make("tr", { data: { session: row.id } }, ...CELLS.map(() => make("td")));
      element.cells[1].append(link, make("br"), make("code"));
      this.elements.set(row.id, element);
    }
    const [began, session, duration, frames, state, finding] = element.cells;
    element.dataset.state = row.state;
    began.textContent = row.began ? new Date(row.began * 1000).toLocaleString() : "?";
    session.firstElementChild.textContent = nameOf(row);
    session.lastElementChild.textContent = row.file;
    duration.textContent = row.duration === undefined ? "" : `${row.duration.toFixed(1)} s`;
    frames.textContent = row.sent === undefined ? "" : `↑ ${row.sent} ↓ ${row.received}`;
    state.textContent = row.origin && row.origin !== "recorded" ? `${row.state}, ${row.origin}` : row.state;
    finding.textContent = row.severity ? `${row.severity}: ${row.title}` : row.title;
    finding.className = row.severity;
  }

  #accepts(row) {
    const text = this.text.value.trim().toLowerCase();
    const words = [row.file, row.provider, row.api, row.host, row.model, row.title, row.finding];
    return (
      (!this.provider.value || row.provider === this.provider.value) &&
      (!this.state.value || row.state === this.state.value) &&
      (!text || words.some((each) => each?.toLowerCase().includes(text)))
    );
  }

  // The latest sessions first. Rows that stay are not moved: the focus is not lost.
  #show() {
    const accepted = [...this.rows.values()].filter((row) => this.#accepts(row));
    accepted.sort((one, other) => (other.began ?? 0) - (one.began ?? 0));
    const shown = accepted.slice(0, MAX_SHOWN).map(({ id }) => this.elements.get(id));
    const wanted = new Set(shown);
    for (const element of [...this.body.children]) if (!wanted.has(element)) element.remove();
    shown.forEach((element, index) => {
      const there = this.body.children[index];
      if (there !== element) this.body.insertBefore(element, there ?? null);
    });
    this.count.textContent = `${accepted.length} of ${this.rows.size} sessions`;
    this.more.textContent =
      accepted.length > MAX_SHOWN ? `The latest ${MAX_SHOWN} are listed: filter for others.` : "";
  }
}

const nameOf = ({ provider, api, host, file }) =>
  [provider, api].filter(Boolean).join(" ") || host || file || "?";

// Searches the texts of all sessions, on the server.
class TextSearch {
  constructor(list) {
    this.list = list;
    this.form = document.getElementById("search");
    this.results = document.getElementById("results");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search(this.form.querySelector("input").value.trim());
    });
  }

  async #search(text) {
    if (!text) return;
    this.results.replaceChildren(make("p", {}, "Searching…"));
    const answer = await fetch(`search?${new URLSearchParams({ q: text })}`);
    if (!answer.ok) {
      this.results.replaceChildren(make("p", {}, await answer.text()));
      return;
    }
    const { summary, complete, found } = await answer.json();
    const rest = complete ? "" : "; the search has ended before the last one";
    this.results.replaceChildren(
      make("p", {}, `“${text}” ${summary}${rest}.`),
      make("ul", {}, ...found.map((each) => this.#result(each))),
    );
    announce(summary);
  }

  #result({ id, frames }) {
    const row = this.list.rows.get(id);
    const places = frames.map(({ frame, t, text }) =>
      make("li", {}, make("a", { href: `session/${id}#f${frame}` }, `#${frame}, ${seconds(t)}`), " ", make("q", {}, text)),
    );
    const name = row ? `${nameOf(row)}, ${row.file}` : id;
    return make("li", {}, make("a", { href: `session/${id}` }, name), make("ul", {}, ...places));
  }
}

new TextSearch(new SessionList());
document.documentElement.dataset.scripted = "";
