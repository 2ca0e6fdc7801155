// Latency over the session: a chart for each series.

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
      if (!series.points.length) continue;
      if (!this.charts.has(name)) this.charts.set(name, this.#chart(name));
      const { p50, p95, max, points } = series;
      const { title, plot } = this.charts.get(name);
      title.textContent = `${SERIES[name] ?? name}: p50 ${seconds(p50)}, p95 ${seconds(p95)}, max ${seconds(max)}`;
      plot?.setData(columns(points));
    }
  }

  #chart(name) {
    const place = make("div", { className: "chart" });
    const chart = { name, place, title: make("figcaption") };
    this.section.append(make("figure", {}, chart.title, place));
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
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const line = name === "lag";
    chart.plot = new uPlot(
      {
        width: chart.width,
        height: 150,
        scales: { x: { time: false, range: [0, this.session.end] }, y: { range: (_, __, max) => [0, max * 1.1 || 1] } },
        axes: [axis, { ...axis, label: "s", labelSize: 16 }],
        series: [
          { label: "at", value: (_, t) => (t === null ? "" : seconds(t)) },
          {
            label: name,
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
        this.#choose(this.session.latency.series[name].points[index]);
      }
    });
  }

  #choose([t, , frame]) {
    const row = frame === null ? -1 : this.session.frames.rowOf(frame);
    this.cursor.moveTo(t, row < 0 ? {} : { row });
  }
}

const columns = (points) => [points.map(([t]) => t), points.map(([, value]) => value)];
