// One device: its newest values, a curve over any range with the limits of the rules, quality, a table, CSV; of a vehicle its trips.

import { plotted } from "./chart.js";
import { saved } from "./files.js";
import { isDenied, pointsOf } from "./evidence.js";
import { h, spoken } from "./parts.js";
import { fixesOf, playbackOf } from "./playback.js";
import { MOVING } from "./things.js";
import { agoText, count, kindName, language, metricName, momentText, refusalText, say, skewText, unitOf, valueText } from "./words.js";

export const RANGES = [["30min", 1800], ["6h", 21_600], ["1d", 86_400], ["7d", 604_800], ["30d", 2_592_000], ["1y", 31_622_400], ["2y", 63_244_800]];
const POINTS = 500;
const TABLE_ROWS = 50;
const ANEW_MS = 15_000;

export function deviceOf({ now, map, source, box, chooseDevice, chooseMetric }) {
  let shown = null; // what is on the page: { id, tongue, parts }
  let playing = null; // a trip that is played back
  let curve = { key: "", at: 0, rows: [] };

  function draw(device) {
    if (!device) { if (shown) { box.replaceChildren(); shown = null; still(); map.changed = true; } return; }
    if (shown?.id !== device.device || shown.tongue !== language()) build(device);
    const { table, about } = shown.parts;
    const text = device.received_at ? `${say("adapter")} ${device.adapter} · ${count(device.readings)} ${say("readings")} · ${say("skew")} ${skewText(device.skew_s ?? 0)}${device.registered === false ? ` · ${say("unregistered")}` : ""}` : "";
    if (about.textContent !== text) about.textContent = text;
    values(table, device);
    const key = `${device.device} ${now.metric} ${now.range} ${language()} ${document.documentElement.dataset.theme}`, live = now.range <= 21_600 && Date.now() - curve.at > ANEW_MS;
    if (now.metric && (key !== curve.key || live)) { curve = { ...curve, key, at: Date.now() }; fill(device, now.metric, now.range, key); }
  }

  /** No trip is on the map any more. */
  function still() { playing?.stop(); playing?.box.remove(); playing = null; map.track = null; }

  function build(device) {
    still();
    const table = h("tbody", {}), about = h("div", { class: "sub" }), chart = h("div", { class: "evidence", id: "curve" }), rows = h("div", { id: "rows", hidden: true }), trips = h("div", { id: "trips" });
    const ranges = h("div", { class: "ranges", role: "group", "aria-label": say("range") }, RANGES.map(([name, seconds]) =>
      h("button", { type: "button", "data-range": name, "aria-pressed": String(now.range === seconds), onclick: (event) => { now.range = seconds; for (const other of ranges.children) other.setAttribute("aria-pressed", String(other === event.target)); draw(now.devices.get(device.device)); } }, say(`range_${name}`))));
    box.replaceChildren(h("section", { id: "detail" },
      h("button", { class: "shut", type: "button", "aria-label": say("close"), onclick: () => { map.marked = null; chooseDevice(null); } }, "×"),
      h("h3", {}, device.name || device.device),
      h("div", { class: "sub" }, [kindName(device.kind), device.area, device.device].filter(Boolean).join(" · ")),
      about, ranges, chart,
      h("div", { class: "act" },
        h("button", { type: "button", "aria-pressed": "false", onclick: (event) => { rows.hidden = !rows.hidden; event.target.setAttribute("aria-pressed", String(!rows.hidden)); } }, say("table")),
        h("button", { type: "button", id: "csv", onclick: () => save(device) }, "CSV")),
      rows, h("table", {}, table), trips));
    shown = { id: device.device, tongue: language(), parts: { table, about, chart, rows, trips } };
    curve = { key: "", at: 0, rows: [] };
    if (MOVING.has(device.kind) && device.kind !== "vessel") askTrips(device, trips);
  }

  /** Rows are kept and their texts changed, so that what has the focus keeps it. */
  function values(table, device) {
    const found = Object.entries(device.values ?? {}).sort(([a], [b]) => a.localeCompare(b));
    const old = new Map([...table.children].map((row) => [row.dataset.metric, row]));
    for (const [metric, { value, at, mark }] of found) {
      let row = old.get(metric);
      old.delete(metric);
      if (!row) {
        row = h("tr", { class: "pick", "data-metric": metric, onclick: () => chooseMetric(metric) }, h("td", {}, h("button", { type: "button" }, metricName(metric))), h("td", { class: "n" }), h("td", { class: "n" }, h("span", {})));
        table.append(row);
      }
      row.classList.toggle("picked", metric === now.metric);
      row.firstChild.firstChild.setAttribute("aria-pressed", String(metric === now.metric));
      row.children[1].textContent = valueText(metric, value, mark);
      row.children[2].firstChild.dataset.since = String(Date.parse(at));
      row.children[2].firstChild.textContent = agoText(Date.now() + now.skew - Date.parse(at));
    }
    for (const row of old.values()) row.remove();
  }

  async function fill(device, metric, range, key) {
    const { chart, rows } = shown.parts, to = Date.now() + now.skew, from = to - range * 1000;
    const path = `/api/v1/series?device=${encodeURIComponent(device.device)}&metric=${encodeURIComponent(metric)}&from=${new Date(from).toISOString()}`;
    try {
      let answer = await source.get(path);
      if (answer.truncated) answer = await source.get(`${path}&every=${Math.max(1, Math.ceil(range / POINTS))}`);
      if (curve.key !== key) return;
      const points = pointsOf(answer);
      curve.rows = (answer.rows ?? answer.buckets ?? []).map((row) => ({ at: typeof row.time === "number" ? row.time / 1e6 : Date.parse(row.time), value: row.value ?? row.mean ?? row.last, min: row.min, max: row.max, quality: row.quality }));
      const doubtful = curve.rows.filter(isDenied).map((row) => [row.at, row.value]).filter((point) => point.every(Number.isFinite));
      Object.assign(chart.dataset, { points: points.length, first: points.length ? new Date(points[0][0]).toISOString() : "", last: points.length ? new Date(points.at(-1)[0]).toISOString() : "" });
      if (points.length < 2) chart.replaceChildren(h("p", { class: "sub" }, say("nohistory")));
      else await plotted(chart, { points, metric, limits: limitsOf(device, metric), from, to, doubtful });
      if (doubtful.length) chart.append(h("p", { class: "sub doubt" }, `${count(doubtful.length)} ${say("doubtful")}`));
      rows.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, say("observed")), h("th", { class: "n" }, `${metricName(metric)} ${unitOf(metric)}`), h("th", { class: "n" }, say("quality")))),
        h("tbody", {}, curve.rows.slice(-TABLE_ROWS).reverse().map((row) => h("tr", {}, h("td", {}, momentText(row.at, now.skew)), h("td", { class: "n" }, valueText("", row.value)), h("td", { class: "n" }, row.quality ?? "–"))))));
    } catch (error) { chart.replaceChildren(h("p", { class: "sub" }, spoken(`${say("nocurve")} ${refusalText(error)}`))); }
  }

  /** What rules compare this metric with, for devices of this kind. */
  function limitsOf(device, metric) {
    return [...now.rules.values()].filter((rule) => !rule.kinds.length || rule.kinds.includes(device.kind)).flatMap((rule) => rule.levels.flatMap((level) => level.limits.filter((limit) => limit.metric === metric).map((limit) => ({ ...limit, level: level.level })))).slice(0, 8);
  }

  /** The curve's rows as a file. */
  function save(device) {
    saved(`${device.device}-${now.metric}`, [["time", "device", "metric", "value", "unit", "quality"], ...curve.rows.map((row) => [new Date(row.at).toISOString(), device.device, now.metric, row.value, unitOf(now.metric), row.quality])]);
  }

  async function askTrips(device, into) {
    try {
      const found = await source.get(`/api/v1/trips?device=${encodeURIComponent(device.device)}`);
      if (shown?.id !== device.device) return;
      into.replaceChildren(h("h3", {}, say("trips")), found.trips.length ? h("div", {}, found.trips.toReversed().map((trip) =>
        h("button", { type: "button", class: "trip", onclick: (event) => track(device, trip, event.currentTarget) }, `${momentText(trip.from, now.skew)} – ${trip.open ? "…" : momentText(trip.until, now.skew)}`, h("span", { class: "sub" }, `${(trip.distance_m / 1000).toFixed(1)} km · ${Math.round(trip.fastest_kmh)} km/h · ${say("idling")} ${Math.round(trip.idling_s / 60)} ${say("ago_m")}`))))
        : h("p", { class: "sub" }, say("notrips")));
    } catch { /* the device stands without them */ }
  }

  /** The trip's way on the map, and below its button the control that plays it back. */
  async function track(device, trip, button) {
    const until = new Date(Date.parse(trip.until) + 1000).toISOString();
    const { rows } = await source.get(`/api/v1/series?device=${encodeURIComponent(device.device)}&from=${trip.from}&to=${until}&limit=20000`);
    if (shown?.id !== device.device) return;
    still();
    const fixes = fixesOf(rows);
    if (!fixes.length) return;
    map.track = fixes.map((fix) => fix.place);
    map.flyTo(map.track);
    playing = playbackOf({ map, now, fixes });
    button.after(playing.box);
  }

  return { draw };
}
