/* What the pages can do beyond being read: charts that zoom, copying a command, focus after a page was swapped in. */
"use strict";
(() => {
  document.documentElement.classList.add("scripted");

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const withUnit = (unit) => (_, values) => values.map((value) => (value == null ? "" : `${+value.toPrecision(3)} ${unit}`));

  const shown = (unit) => (_, value) => (value == null ? "–" : `${+value.toPrecision(3)} ${unit}`);

  function days(_, splits, __, ___, step) {
    return splits.map((seconds) => {
      const iso = new Date(seconds * 1000);
      const day = `${iso.getUTCDate()} ${"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")[iso.getUTCMonth()]}`;
      return step < 86400 && iso.getUTCHours() + iso.getUTCMinutes() ? iso.toISOString().slice(11, 16) : day;
    });
  }

  function axis(overrides) {
    return {
      stroke: colour("--muted"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
      ...overrides,
    };
  }

  function stepLine(step) {
    return (plot) => {
      const x = plot.valToPos(step.at, "x", true);
      const { left, top, width, height } = plot.bbox;
      const draw = plot.ctx;
      draw.save();
      draw.strokeStyle = colour("--bad");
      draw.lineWidth = devicePixelRatio;
      draw.setLineDash([5, 4]);
      draw.beginPath();
      if (x >= left && x <= left + width) {
        draw.moveTo(x, top);
        draw.lineTo(x, top + height);
      }
      for (const [value, from, to] of [[step.before, left, Math.min(x, left + width)], [step.after, Math.max(x, left), left + width]]) {
        const y = plot.valToPos(value, "y", true);
        if (to > from) {
          draw.moveTo(from, y);
          draw.lineTo(to, y);
        }
      }
      draw.stroke();
      draw.restore();
    };
  }

  function settings(chart, figure) {
    const isPoints = figure.dataset.points === "1";
    const series = [{ value: (_, seconds) => (seconds == null ? "–" : new Date(seconds * 1000).toISOString().slice(0, chart.bars ? 10 : 16).replace("T", " ")) }];
    const axes = [axis({ space: 80, values: days })];
    // A single point has no width of its own: half a day on each side of it.
    const half = chart.bars || chart.x.length === 1 ? 43200 : 0;
    const scales = { x: { time: true, range: (_, low, high) => [low - half, high + half] }, y: { range: (_, low, high) => [0, (high || 1) * 1.08] } };
    if (chart.bars) {
      series.push({
        label: chart.bars_label, scale: "bars", fill: colour("--line"), stroke: colour("--line"), width: 0,
        paths: window.uPlot.paths.bars({ size: [0.7, 40] }), points: { show: false }, value: shown(chart.bars_unit),
      });
      scales.bars = { range: (_, low, high) => [0, (high || 1) * 1.08] };
    }
    series.push({
      label: chart.label, scale: "y", stroke: colour("--tests"), width: isPoints ? 0 : 2, value: shown(chart.unit),
      ...(isPoints && { paths: () => null }),
      points: { show: true, size: 5, width: 0, fill: colour("--tests") },
    });
    axes.push(axis({ scale: "y", values: withUnit(chart.unit), size: 66 }));
    if (chart.bars) axes.push(axis({ scale: "bars", side: 1, values: withUnit(chart.bars_unit), size: 60, grid: { show: false } }));
    return {
      width: figure.clientWidth,
      height: 240,
      series,
      axes,
      scales,
      cursor: { drag: { x: true, y: false } },
      legend: { live: true },
      tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      hooks: chart.step ? { draw: [stepLine(chart.step)] } : {},
    };
  }

  const plots = new Map();

  function draw(figure) {
    const chart = JSON.parse(figure.dataset.chart);
    if (!window.uPlot || !chart.x.length) return;
    if (plots.has(figure)) plots.get(figure).destroy();
    figure.replaceChildren();
    const data = chart.bars ? [chart.x, chart.bars, chart.y] : [chart.x, chart.y];
    const plot = new window.uPlot(settings(chart, figure), data, figure);
    plots.set(figure, plot);
    figure.title = "Drag to zoom, double-click to see all";
  }

  function drawAll() {
    for (const figure of plots.keys()) if (!figure.isConnected) plots.delete(figure);
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  function addCopying(root) {
    if (!navigator.clipboard) return;
    root.querySelectorAll(".command:not(.copies)").forEach((command) => {
      const button = document.createElement("button");
      button.className = "copy";
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(command.querySelector("code").textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
      command.classList.add("copies");
      command.append(button);
    });
  }

  function ready() {
    // On a phone the tabs scroll: the one that is open shall be seen.
    const tabs = document.querySelector(".tabs"), open = document.querySelector(".tabs [aria-current]");
    if (open) tabs.scrollLeft = open.offsetLeft - (tabs.clientWidth - open.offsetWidth) / 2;
    drawAll();
    addCopying(document);
  }

  addEventListener("DOMContentLoaded", ready);
  addEventListener("htmx:afterSettle", (event) => {
    ready();
    // A link replaced the page: what reads it aloud begins at its beginning. A filter keeps its place.
    const asked = event.detail.requestConfig?.elt;
    if (asked?.tagName === "A") document.getElementById("main")?.focus({ preventScroll: true });
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    plots.forEach((plot, figure) => plot.setSize({ width: figure.clientWidth, height: 240 }));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
