// Latency over the session: a chart for each series.

const HEIGHT = 170; // pixels of a chart
// Of the points of a series with a time at which something began, and not of a result.
const BEGINS = new Set(["utterances", "turns"]);
const SERIES = {
  lag: "Transcript lag: audio sent beyond what a result covers",
  utterances: "Speech synthesis: text to first audio",
  turns: "Agent: end of the user's speech to first audio",
};

class Latency {
  constructor(session, cursor) {
    this.session = session;
    this.cursor = cursor;
    this.charts = new Map(); // by the names of their series
    this.section = session.element("latency");
    this.grow();
    onColours(() => this.charts.forEach((chart) => this.#draw(chart)));
  }

  // Shows all points that the session has.
  grow() {
    for (const [name, series] of Object.entries(this.session.latency.series)) {
      if (series.points.length < 2) continue; // the figures say it
      if (!this.charts.has(name)) this.charts.set(name, this.#chart(name));
      const { p50, p95, max, points } = series;
      const { title, plot } = this.charts.get(name);
      title.textContent = `${SERIES[name] ?? name}: p50 ${seconds(p50)}, p95 ${seconds(p95)}, max ${seconds(max)}`;
      plot?.setData(columns(points));
    }
  }

  #chart(name) {
    const place = make("div", {
      className: "chart",
      tabIndex: 0,
      role: "group",
      "aria-label": `${SERIES[name] ?? name}. Left and right choose a point.`,
      onkeydown: (event) => this.#key(chart, event),
    });
    const chart = { name, place, title: make("figcaption"), chosen: -1 };
    const hint = make("p", { className: "hint" }, "Click a point to see its stretch of the session and its frame.");
    this.section.append(make("figure", {}, chart.title, place, hint));
    new ResizeObserver(() => {
      if (place.clientWidth !== chart.width) this.#draw(chart);
    }).observe(place);
    return chart;
  }

  #draw(chart) {
    const { name, place } = chart;
    const { points } = this.session.latency.series[name];
    chart.plot?.destroy();
    chart.width = place.clientWidth;
    if (!chart.width) return;
    const axis = {
      stroke: colour("soft"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
    };
    const inSeconds = (_, values) => values.map((value) => `${value} s`);
    const line = name === "lag";
    chart.plot = new uPlot(
      {
        width: chart.width,
        height: HEIGHT,
        scales: { x: { time: false, range: [0, this.session.end] }, y: { range: (_, min, max) => [Math.min(0, min), max * 1.1 || 1] } },
        axes: [{ ...axis, values: inSeconds }, { ...axis, size: 64, values: inSeconds }],
        series: [
          { label: "time", value: (_, t) => (t === null ? "" : seconds(t)) },
          {
            label: line ? "lag" : "latency",
            stroke: colour("link"),
            width: line ? 1.5 : 0,
            points: { show: !line || points.length < 200, fill: colour("link"), size: line ? 4 : 8 },
            value: (_, value) => (value === null ? "" : seconds(value)),
          },
        ],
        cursor: { drag: { x: false, y: false } },
      },
      columns(points),
      place,
    );
    chart.plot.over.addEventListener("click", () => {
      const index = chart.plot.cursor.idx;
      if (index !== null && index !== undefined) {
        this.#choose(chart, index);
      }
    });
  }

  #key(chart, event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const { points } = this.session.latency.series[chart.name];
    this.#choose(chart, Math.min(Math.max(chart.chosen + step, 0), points.length - 1));
  }

  // Shows a point: what it measures on the axis, and the frame that ended it.
  #choose(chart, index) {
    chart.chosen = index;
    const [t, value, frame] = this.session.latency.series[chart.name].points[index];
    const stretch = BEGINS.has(chart.name) ? [t, t + value] : [t - value, t];
    const { frames } = this.session;
    const row = frame === null ? -1 : frames.rowOf(frame);
    this.cursor.moveTo(stretch[1], { stretch, ...(row < 0 ? {} : { row }) });
    announce(`${seconds(value)} at ${seconds(t)}`);
  }
}

const columns = (points) => [points.map(([t]) => t), points.map(([, value]) => value)];
