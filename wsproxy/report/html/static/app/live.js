// Only on pages of the server of `wsproxy view`: what grows while a session is recorded, and the
// buttons that run commands.

const MAX_ROWS = 20000; // frames that the page keeps of a session that is being recorded
const MAX_TURNS = 2000; // of its transcript
const AT_ONCE = 1000; // frames that are forgotten together
const RETRY = 2000; // milliseconds

// Follows a session. Asks for the next update once the last one is shown.
class Live {
  constructor(view, { version }) {
    this.view = view;
    this.session = view.session;
    this.version = version;
    this.status = document.getElementById("live");
    this.said = this.status.textContent;
    this.waiting = new Map(); // parts of the page that the reader uses
    this.turns = view.transcript.list;
    if (!location.hash) view.table.showEnd();
    this.turns.scrollTop = this.turns.scrollHeight;
    this.#connect();
  }

  #connect() {
    const socket = new WebSocket(`${location.href.split(/[?#]/)[0].replace(/^http/, "ws")}/updates`);
    const ask = () => socket.send(String(this.version));
    socket.onopen = () => {
      this.status.textContent = this.said;
      ask();
    };
    socket.onmessage = ({ data }) => {
      for (const update of JSON.parse(data)) {
        if (update.reload) location.reload();
        else this.#apply(update);
      }
      if (!this.ended) ask();
      else socket.close();
    };
    socket.onclose = () => {
      if (this.ended) return;
      this.status.textContent = "No connection to `wsproxy view`. What is shown may not be all; trying again…";
      setTimeout(() => this.#connect(), RETRY);
    };
  }

  #apply(update) {
    const { view, session } = this;
    const row = session.frames.rows;
    session.append(update);
    this.version = update.version;
    this.ended = update.ended;
    view.axis.grow();
    view.table.grow(row);
    const atEnd = this.turns.scrollTop + this.turns.clientHeight >= this.turns.scrollHeight - 30;
    view.transcript.grow();
    view.latency.grow();
    this.#forget();
    if (atEnd) this.turns.scrollTop = this.turns.scrollHeight;
    for (const [id, html] of Object.entries(update.sections)) this.waiting.set(id, html);
    this.#replaceSections();
    if (this.ended) this.#end();
  }

  // Keeps the page's memory bounded.
  #forget() {
    const { view, session } = this;
    const rows = session.frames.rows - MAX_ROWS;
    if (rows >= AT_ONCE) {
      session.frames.drop(rows);
      view.cursor.row = Math.max(0, view.cursor.row - rows);
      view.table.forget(rows);
    }
    if (this.turns.children.length > MAX_TURNS + AT_ONCE) view.transcript.trim(MAX_TURNS);
  }

  // Puts in what the server has rendered, but not where the reader has the focus or a selection.
  #replaceSections() {
    const selection = getSelection();
    for (const [id, html] of this.waiting) {
      const old = document.getElementById(id);
      const used =
        old.contains(document.activeElement) ||
        (!selection.isCollapsed && selection.containsNode(old, true));
      if (used && !this.ended) continue;
      this.waiting.delete(id);
      const section = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
      const open = [...old.querySelectorAll("details")].map((each) => each.open);
      section.querySelectorAll("details").forEach((each, index) => (each.open = open[index] ?? false));
      old.replaceWith(section);
      addButtons(section);
    }
  }

  #end() {
    this.status.dataset.state = "ended";
    const verdict = document.getElementById("verdict").textContent;
    this.status.replaceChildren(
      `The session has ended: ${verdict} `,
      button("Load its audio", () => location.reload()),
    );
    announce(verdict);
  }
}

// Buttons that run commands. The server answers with what the command prints.
class Actions {
  constructor(id) {
    this.id = id;
    this.target = make("input", { type: "url", placeholder: "ws://127.0.0.1:9000", size: 34 });
    this.output = make("pre", { className: "output", hidden: true, tabIndex: 0, role: "log" });
    this.buttons = [
      button("Replay as client", () => this.#replay("client")),
      button("Replay as server", () => this.#replay("server")),
      button("Scrub and download", () => this.#scrub()),
    ];
    this.stop = button("Stop", () => this.running?.abort(), { hidden: true });
    const [client, server, scrub] = this.buttons;
    document.getElementById("actions").append(
      make("div", { className: "controls" }, scrub, make("label", {}, "Server's URL ", this.target), client, server, this.stop),
      this.output,
    );
  }

  #replay(side) {
    if (side === "client" && !/^wss?:\/\/./.test(this.target.value)) {
      this.#say("Enter the URL of the server to replay against: it begins with ws:// or wss://.");
      this.target.focus();
      return;
    }
    this.#run("replay", { side, target: this.target.value }, async (answer) => {
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        this.output.append(part.value);
      }
    });
  }

  #scrub() {
    this.#run("scrubbed", {}, async (answer) => {
      const name = decodeURIComponent(/UTF-8''([^;]+)/.exec(answer.headers.get("Content-Disposition"))[1]);
      save(name, await answer.blob());
      this.#say(`Saved ${name}. Look at it with \`wsproxy show\` before you publish it.`);
    });
  }

  async #run(what, fields, show) {
    this.running = new AbortController();
    this.#say("");
    this.#setRunning(true);
    try {
      const answer = await fetch(`${this.id}/${what}`, {
        method: "POST",
        body: new URLSearchParams(fields),
        signal: this.running.signal,
      });
      if (answer.ok) await show(answer);
      else this.#say(`Error: ${await answer.text()}`);
    } catch (error) {
      this.output.append(error.name === "AbortError" ? "Stopped." : `Error: ${error.message}`);
    } finally {
      this.#setRunning(false);
    }
  }

  #setRunning(running) {
    this.stop.hidden = !running;
    for (const each of this.buttons) each.disabled = running;
  }

  #say(text) {
    this.output.hidden = false;
    this.output.textContent = text;
  }
}

const live = JSON.parse(document.getElementById("data-live").textContent);
document.documentElement.classList.toggle("growing", !live.ended);
new Actions(live.id);
if (!live.ended) new Live(views[0], live);
