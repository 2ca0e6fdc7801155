// What grows on a page of the server of `wsproxy view` while its session is recorded.

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
    view.transcript.onHear = () => view.axis.grow();
    view.axis.onShow = (from, to) => view.transcript.hearSoon(from, to);
    view.axis.grow();
    if (!location.hash) view.table.showEnd();
    view.transcript.showEnd();
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
    session.append(update);
    this.version = update.version;
    this.ended = update.ended;
    view.transcript.grow(update.turns);
    view.axis.grow();
    view.table.grow();
    view.latency.grow();
    for (const [id, html] of Object.entries(update.sections)) this.waiting.set(id, html);
    this.#replaceSections();
    if (this.ended) this.#end();
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

new Actions(live.id);
if (!live.ended) new Live(views[0], live);
