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
    this.charts = [];
    const section = session.element("latency");
    for (const [name, series] of Object.entries(session.latency.series)) {
      if (series.points.length) section.append(this.#chart(name, series));
    }
    onColours(() => this.charts.forEach(({ draw }) => draw()));
  }

  #chart(name, series) {
    const place = make("div", { className: "chart" });
    const title = `${SERIES[name] ?? name}: p50 ${seconds(series.p50)}, p95 ${seconds(series.p95)}, max ${seconds(series.max)}`;
    const figure = make("figure", {}, make("figcaption", {}, title), place);
    const chart = { draw: () => this.#draw(chart, place, name, series) };
    this.charts.push(chart);
    new ResizeObserver(() => {
      if (place.clientWidth !== chart.width) chart.draw();
    }).observe(place);
    return figure;
  }

  #draw(chart, place, name, { points }) {
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
      [points.map(([t]) => t), points.map(([, value]) => value)],
      place,
    );
    chart.plot.over.addEventListener("click", () => {
      const index = chart.plot.cursor.idx;
      if (index !== null && index !== undefined) this.#choose(points[index]);
    });
  }

  #choose([t, , frame]) {
    const row = frame === null ? -1 : this.session.frames.rowOf(frame);
    this.cursor.moveTo(t, row < 0 ? {} : { row });
  }
}
