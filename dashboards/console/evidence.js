// The evidence of a warning as a curve: what the rule compares, the limits of its levels, the moment of raise.

import { plotted } from "./chart.js";
import { h, spoken } from "./parts.js";
import { language, metricName, refusalText, say, unitOf } from "./words.js";

const BEFORE_MS = 30 * 60_000;
const ANEW_MS = 15_000;
const POINTS = 400;

export function evidenceOf({ now, source }) {
  const kept = new Map(); // alert → { box, at, key }: the box outlives the card that shows it

  async function fill(found, alert, metric, limits) {
    const from = Date.parse(alert.raised_at) - BEFORE_MS, to = alert.open ? Date.now() + now.skew : Date.parse(alert.changed_at) + BEFORE_MS / 3;
    const path = `/api/v1/series?device=${encodeURIComponent(alert.subject)}&metric=${encodeURIComponent(metric)}&from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
    try {
      let answer = await source.get(path);
      if (answer.truncated) answer = await source.get(`${path}&every=${Math.ceil((to - from) / 1000 / POINTS)}`);
      const points = pointsOf(answer);
      if (points.length < 2) { found.box.replaceChildren(h("p", { class: "sub" }, say("nohistory"))); return; }
      await plotted(found.box, { points, metric, limits, from, to, moment: { at: Date.parse(alert.raised_at), text: say("raised") } });
    } catch (error) { found.box.replaceChildren(h("p", { class: "sub" }, spoken(`${say("nocurve")} ${refusalText(error)}`))); }
  }

  return {
    /** The box with the curve; it fills itself. */
    box(alert) {
      const rule = now.rules.get(alert.rule.replace(/:silent$/, "")), limits = (rule?.levels ?? []).flatMap((level) => level.limits.map((limit) => ({ ...limit, level: level.level })));
      const metric = limits.find((limit) => limit.metric in (now.devices.get(alert.subject)?.values ?? {}))?.metric ?? Object.values(rule?.names ?? {})[0];
      if (!metric || !now.devices.has(alert.subject)) return null;
      const key = `${alert.changed_at} ${language()} ${document.documentElement.dataset.theme}`;
      let found = kept.get(alert.alert);
      if (!found) {
        found = { box: h("div", { class: "evidence", role: "img", "aria-label": `${metricName(metric)} ${unitOf(metric)}` }), at: 0, key: "" };
        kept.clear(); // one card is open at a time
        kept.set(alert.alert, found);
      }
      if (found.key !== key || (alert.open && Date.now() - found.at > ANEW_MS)) {
        Object.assign(found, { key, at: Date.now() });
        fill(found, alert, metric, limits.filter((limit) => limit.metric === metric));
      }
      return found.box;
    },
  };
}

/** Quality of what enters means and rules (hub/store/README.md): nothing said against it, entered by hand, estimated. Buckets hold nothing else. */
const HOLDS = new Set([0, 3, 9, undefined, null]);
export const isDenied = (row) => !HOLDS.has(row.quality);

/** [time in ms, value] of rows or buckets that hold, in the order of time. @returns {[number, number][]} */
export function pointsOf(answer) {
  const rows = answer.buckets ?? answer.rows ?? [];
  const points = rows.filter((row) => !isDenied(row)).map((row) => [typeof row.time === "number" ? row.time / 1e6 : Date.parse(row.time), Number(row.value ?? row.mean ?? row.last)]);
  return points.filter((point) => point.every(Number.isFinite)).sort((a, b) => a[0] - b[0]);
}
