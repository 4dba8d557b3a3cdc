// Curves by uPlot, in the city's time, with limits and moments; a table where the console was built without it.

import { others } from "./others.js";
import { h } from "./parts.js";
import { colours } from "./theme.js";
import { axisText, metricName, momentText, say, unitOf, valueText } from "./words.js";

const HIGH = 170;
const ROWS_SHOWN = 12;

/**
 * Draws into `box`. `limits`: [{ value, level }]; `moment`: { at, text }; `doubtful`: points of denied quality, which
 * the curve leaves out; beyond its range they stand at its edge.
 */
export async function plotted(box, { points, metric, limits = [], from, to, moment = null, doubtful = [] }) {
  let Plot;
  try { ({ Plot } = await others()); } catch { box.replaceChildren(asTable(points, metric)); return; }
  const look = colours(), ink = getComputedStyle(document.body).getPropertyValue("--soft") || "#888", line = getComputedStyle(document.body).getPropertyValue("--accent") || "#08f";
  const values = points.map((point) => point[1]), shown = limits.filter((limit) => limit.window_s === 0 || limit.window_s === undefined || limit.level_like);
  const low = Math.min(...values, ...shown.map((limit) => limit.value)), high = Math.max(...values, ...shown.map((limit) => limit.value)), room = (high - low || 1) * 0.08;
  const marks = (plot) => {
    const pen = plot.ctx, { left, top, width, height } = plot.bbox;
    pen.save();
    pen.textAlign = "left";
    pen.textBaseline = "alphabetic";
    pen.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    for (const limit of shown) {
      const y = plot.valToPos(limit.value, "y", true);
      pen.strokeStyle = pen.fillStyle = look.levels[limit.level]; pen.setLineDash([6, 4]); pen.lineWidth = 1.5;
      pen.beginPath(); pen.moveTo(left, y); pen.lineTo(left + width, y); pen.stroke();
      pen.fillText(`${say(limit.level)} ${valueText("", limit.value)}`, left + 4, y - 3);
    }
    if (moment && moment.at >= from && moment.at <= to) {
      const x = plot.valToPos(moment.at / 1000, "x", true);
      pen.strokeStyle = pen.fillStyle = ink; pen.setLineDash([]); pen.lineWidth = 1.5;
      pen.beginPath(); pen.moveTo(x, top); pen.lineTo(x, top + height); pen.stroke();
      pen.textAlign = x > left + width * 0.8 ? "right" : "left";
      pen.fillText(moment.text, x + (pen.textAlign === "left" ? 4 : -4), top + 12 * devicePixelRatio);
    }
    pen.fillStyle = look.levels.orange;
    for (const [at, value] of doubtful) {
      const x = plot.valToPos(at / 1000, "x", true), y = plot.valToPos(value, "y", true);
      pen.fillRect(x - 3, Math.min(Math.max(y, top), top + height) - 3, 6, 6);
    }
    pen.restore();
  };
  box.replaceChildren();
  const axis = { stroke: ink, grid: { stroke: look.grid, width: 1 }, ticks: { stroke: look.grid, width: 1 }, font: "11px system-ui, sans-serif" };
  box.plot?.destroy();
  box.plot = new Plot({
    width: Math.max(220, box.clientWidth || 370), height: HIGH, legend: { show: false }, cursor: { y: false },
    scales: { x: { time: true, range: [from / 1000, to / 1000] }, y: { range: [low - room, high + room] } },
    axes: [{ ...axis, values: (_, splits) => splits.map((at) => axisText(at * 1000, to - from)) }, { ...axis, size: 46 }],
    series: [{}, { stroke: line, width: 1.6, fill: `${line.trim()}22`, points: { show: points.length < 40 } }],
    hooks: { draw: [marks] },
  }, [points.map((point) => point[0] / 1000), values], box);
  const last = points.at(-1);
  box.append(h("p", { class: "sub" }, `${metricName(metric)}${unitOf(metric) ? `, ${unitOf(metric)}` : ""}: ${valueText(metric, Math.min(...values))} – ${valueText(metric, Math.max(...values))} · ${momentText(points[0][0])} – ${momentText(last[0])}`));
}

/** The newest values as a table. */
export function asTable(points, metric) {
  return h("table", {}, h("caption", { class: "sub" }, say("unbuilt")), h("tbody", {}, points.slice(-ROWS_SHOWN).reverse().map(([at, value]) => h("tr", {}, h("td", {}, momentText(at)), h("td", { class: "n" }, valueText(metric, value))))));
}
