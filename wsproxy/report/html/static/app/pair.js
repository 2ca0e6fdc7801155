// Two sessions on one axis: they show the same stretch, counted from their upgrades.

class Pair {
  constructor(first, second, difference) {
    // A time of the second session, and this, is the time of the first.
    this.offset = difference.offset;
    this.busy = false; // what one does, the other repeats once
    const end = Math.max(first.session.end, second.session.end + this.offset);
    const begin = Math.min(0, this.offset);
    this.#align(first, second, [begin, end], -this.offset);
    this.#align(second, first, [begin - this.offset, end - this.offset], this.offset);
    const section = document.getElementById("time-of-both");
    for (const [name, { axis, session }] of [["A", first], ["B", second]]) {
      axis.canvas.setAttribute("aria-label", `Time in session ${name}`);
      section.append(make("h3", {}, `${name}: ${session.session.file}`), axis.element);
    }
    section.classList.add("time");
    section.hidden = false;
    if (difference.first) this.#markFirst(first, second, difference.first);
    first.axis.show(begin, end);
  }

  #align(view, other, range, offset) {
    view.axis.range = range;
    view.axis.onShow = (from, to) =>
      this.#once(() => other.axis.show(from + offset, to + offset));
    view.cursor.addEventListener("move", ({ detail }) =>
      this.#once(() => other.cursor.moveTo(detail.t + offset)),
    );
  }

  #once(action) {
    if (this.busy) return;
    this.busy = true;
    action();
    this.busy = false;
  }

  #markFirst(first, second, { field, a_t: a, b_t: b }) {
    const title = `first difference: ${field}`;
    const label = "first difference";
    first.axis.mark(a ?? b + this.offset, "error", title, label);
    second.axis.mark(b ?? a - this.offset, "error", title, label);
  }
}
