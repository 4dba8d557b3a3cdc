// The wind rose and the pollution rose of a station: how often the wind came from where, by strength and by how bad the air was.

import { CLASSES } from "./aqi.js";
import { h, svg } from "./parts.js";
import { count, metricName, say, valueText } from "./words.js";

const SIZE = 200, MIDDLE = SIZE / 2, RADIUS = 78;
const SPEED_COLOURS = ["#9bd3f0", "#5aa9dd", "#2f7fc1", "#1d5796", "#123266"];
const WINDS = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"];
const WINDS_ZH = ["北", "北东北", "东北", "东东北", "东", "东东南", "东南", "南东南", "南", "南西南", "西南", "西西南", "西", "西西北", "西北", "北西北"];

/** Petals as paths: of each sector a ring piece a class, as long as its share of the hours. @returns {{sector: number, place: number, d: string}[]} */
export function petals(sectors) {
  const most = Math.max(1, ...sectors.map((counts) => counts.reduce((sum, n) => sum + n, 0)));
  const width = (2 * Math.PI) / sectors.length, found = [];
  sectors.forEach((counts, sector) => {
    let before = 0;
    counts.forEach((n, place) => {
      if (!n) return;
      const [inner, outer] = [before, before + n].map((sum) => (sum / most) * RADIUS), from = (sector - 0.4) * width, to = (sector + 0.4) * width;
      const at = (radius, angle) => `${(MIDDLE + radius * Math.sin(angle)).toFixed(2)} ${(MIDDLE - radius * Math.cos(angle)).toFixed(2)}`;
      found.push({ sector, place, d: `M${at(inner, from)} L${at(outer, from)} A${outer.toFixed(2)} ${outer.toFixed(2)} 0 0 1 ${at(outer, to)} L${at(inner, to)} A${inner.toFixed(2)} ${inner.toFixed(2)} 0 0 0 ${at(inner, from)} Z` });
      before += n;
    });
  });
  return found;
}

/** Both roses as the API tells them, with what they say in words and as a table. */
export function drawnRoses(told) {
  const speeds = ["0.3", ...told.wind.bounds.map(String)].map((from, place, all) => `${from}${all[place + 1] ? `–${all[place + 1]}` : "+"} m/s`);
  const from = told.wind_device && told.wind_distance_m > 0 ? `${say("windOf")} ${told.wind_device} (${(told.wind_distance_m / 1000).toFixed(1)} km)` : "";
  if (!told.wind.hours) return h("p", { class: "sub" }, say("noWind"));
  return h("div", {}, from ? h("p", { class: "sub" }, from) : null, h("div", { class: "roses" },
    one("wind", say("windRose"), told.wind, speeds.map((name, place) => ({ name, colour: SPEED_COLOURS[place] })), (mean) => valueText("wind_speed", mean)),
    one("pollution", `${say("pollutionRose")} ${metricName(told.pollutant)}`, told.pollution, CLASSES.map(([, colour, name]) => ({ name: say(name), colour })), (mean) => valueText(told.pollutant, mean))));
}

function one(which, title, rose, kinds, meanText) {
  const share = (n) => `${((100 * n) / Math.max(1, rose.hours)).toFixed(1)} %`, calm = rose.calm.reduce((sum, n) => sum + n, 0);
  const names = say("north") === "北" ? WINDS_ZH : WINDS, sums = rose.sectors.map((counts) => counts.reduce((sum, n) => sum + n, 0));
  const chief = sums.indexOf(Math.max(...sums));
  const words = `${title}: ${count(rose.hours)} ${say("hoursOf")}, ${say("calm")} ${share(calm)}, ${say("mostFrom")} ${names[chief]} ${share(sums[chief])}`;
  const picture = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": words, "data-rose": which },
    ...[0.5, 1].map((part) => svg("circle", { class: "ring", cx: MIDDLE, cy: MIDDLE, r: RADIUS * part })),
    ...petals(rose.sectors).map(({ sector, place, d }) => svg("path", { d, fill: kinds[place].colour, "data-sector": sector, "data-place": place }, svg("title", {}, `${names[sector]}: ${kinds[place].name} ${share(rose.sectors[sector][place])}`))),
    ...[[say("north"), MIDDLE, 12], [say("east"), SIZE - 6, MIDDLE + 4], [say("south"), MIDDLE, SIZE - 4], [say("west"), 6, MIDDLE + 4]].map(([name, x, y]) => svg("text", { x, y, "text-anchor": "middle" }, name)),
    svg("text", { x: MIDDLE + 3, y: MIDDLE - RADIUS + 10 }, share(Math.max(...sums))));
  return h("figure", {}, picture, h("figcaption", { class: "sub" }, words),
    h("ul", { class: "key" }, kinds.map(({ name, colour }) => h("li", {}, h("i", { vars: { "--dot": colour } }), name))),
    h("details", {}, h("summary", {}, say("table")), h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, say("windFrom")), h("th", { class: "n" }, say("shareOf")), h("th", { class: "n" }, say("meanOf")))),
      h("tbody", {}, sums.map((n, sector) => h("tr", {}, h("td", {}, names[sector]), h("td", { class: "n" }, share(n)), h("td", { class: "n" }, rose.means[sector] === null ? "–" : meanText(rose.means[sector]))))))));
}
