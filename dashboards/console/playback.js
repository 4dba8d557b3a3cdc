// A trip played back on the map: where the vehicle was at each moment, as fast as one likes, or moved by hand.

import { h } from "./parts.js";
import { momentText, say, valueText } from "./words.js";

const SPEEDS = [1, 10, 60, 300];
const GAP_MS = 300_000; // a longer silence is no way between two places: the vehicle waits at the first

/** Rows of the API as fixes in the order of time: { at (ms), place [lon, lat], speed (km/h) or null }. */
export function fixesOf(rows) {
  const moments = new Map();
  for (const row of rows) {
    if (row.lon === null || row.lon === undefined) continue;
    const fix = moments.get(row.time) ?? { at: Date.parse(row.time), place: [row.lon, row.lat], speed: null };
    if (row.metric === "speed" && typeof row.value === "number") fix.speed = row.value;
    moments.set(row.time, fix);
  }
  return [...moments.values()].sort((a, b) => a.at - b.at);
}

/** Where it was at a time between the first fix and the last: { place, speed, passed: fixes already behind it }. */
export function stateAt(fixes, at) {
  let low = 0, high = fixes.length - 1;
  while (low < high) { const middle = Math.ceil((low + high) / 2); if (fixes[middle].at <= at) low = middle; else high = middle - 1; }
  const before = fixes[low], after = fixes[low + 1];
  if (!after || at <= before.at || after.at - before.at > GAP_MS) return { place: before.place, speed: before.speed, passed: low + 1 };
  const share = (at - before.at) / (after.at - before.at);
  return { place: before.place.map((from, axis) => from + (after.place[axis] - from) * share), speed: before.speed, passed: low + 1 };
}

/** The control of one trip; `stop()` ends it and takes its mark from the map. */
export function playbackOf({ map, now, fixes }) {
  const first = fixes[0].at, last = fixes.at(-1).at;
  let at = first, running = 0, seen = 0;
  const play = /** @type {any} */ (h("button", { type: "button", "data-play": "", onclick: () => (running ? pause() : start()) }));
  const slider = /** @type {any} */ (h("input", { type: "range", min: 0, max: Math.max(1, last - first), step: 1000, value: 0, "aria-label": say("playbackTime"), oninput: () => { at = first + Number(slider.value); show(); } }));
  const rate = /** @type {any} */ (h("select", { "aria-label": say("playbackRate") }, SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 60 }, `×${speed}`))));
  const told = h("span", { class: "sub", role: "status" });
  const box = h("div", { class: "playback" }, h("div", { class: "act" }, play, rate, slider), told);

  function show() {
    const state = stateAt(fixes, at);
    map.replay = { place: state.place, passed: state.passed };
    map.changed = true;
    slider.value = at - first;
    slider.setAttribute("aria-valuetext", momentText(at, now.skew));
    told.textContent = [momentText(at, now.skew), state.speed === null ? "" : valueText("speed", state.speed)].filter(Boolean).join(" · ");
    play.textContent = running ? "❚❚" : "▶";
    play.setAttribute("aria-label", say(running ? "pause" : "play"));
  }

  function step(time) {
    if (!running) return;
    if (seen) at = Math.min(last, at + (time - seen) * Number(rate.value));
    seen = time;
    running = at < last ? requestAnimationFrame(step) : 0;
    show();
  }

  function start() { if (at >= last) at = first; seen = 0; running = requestAnimationFrame(step); show(); }
  function pause() { cancelAnimationFrame(running); running = 0; show(); }

  show();
  return { box, stop() { cancelAnimationFrame(running); running = 0; map.replay = null; map.changed = true; } };
}
