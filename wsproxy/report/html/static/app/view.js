// One session with all parts of the page that show it.

class SessionView {
  // Other ones show a session that grows, see live_frames.js and live_transcript.js.
  static kinds = { frames: Frames, transcript: Transcript };

  constructor(prefix) {
    const { kinds } = SessionView;
    this.session = new SessionData(prefix, kinds.frames);
    this.cursor = new Cursor(this.session);
    this.axis = new TimeAxis(this.session, this.cursor);
    this.players = new Players(this.session, this.cursor);
    if (this.players.any) {
      this.axis.addControl(button("Play or pause", () => this.players.toggle()));
    }
    this.transcript = new kinds.transcript(this.session, this.cursor, this.players);
    this.transcript.show();
    this.latency = new Latency(this.session, this.cursor);
    this.table = new FrameTable(this.session, this.cursor, this.players);
  }

  // Shows a time, and plays the audio around it.
  hear(t) {
    this.cursor.moveTo(t);
    this.players.playAround(t);
  }

  showAxis() {
    const time = this.session.element("time");
    time.append(this.axis.element);
    time.hidden = false;
  }

  // Shows a place, as a link names it: "f32", "t=12.5". Returns whether it is one.
  show(place) {
    const { frames } = this.session;
    const frame = /^f(\d+)$/.exec(place);
    const time = /^t=(\d+(?:\.\d+)?)$/.exec(place);
    if (frame) {
      const row = frames.rowOf(Number(frame[1]));
      if (row < 0) return false;
      this.cursor.moveToRow(row);
      this.#scrollTo(this.table.element);
    } else if (time) {
      this.cursor.moveTo(Number(time[1]));
      this.#scrollTo(this.axis.element);
    }
    return Boolean(frame || time);
  }

  #scrollTo(element) {
    element.scrollIntoView({ block: "nearest" });
    announce(this.axis.line.textContent);
  }
}
