// Only on pages of the server of `wsproxy view`.

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
