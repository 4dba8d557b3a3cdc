// Environment: the index of each station now, who was above the limits yesterday, a month by classes, stations side by side, roses, and rivers.

import { POLLUTANTS, classOf } from "./aqi.js";
import { reportButtons, saved } from "./files.js";
import { h, keep, spoken } from "./parts.js";
import { riversOf } from "./rivers.js";
import { drawnRoses } from "./roses.js";
import { language, metricName, refusalText, say, told as inLanguage, valueText } from "./words.js";

const KIND = "air-station";
const LIMIT = 100; // a day above it exceeds the standard

export function airOf({ now, source, panel, chooseDevice }) {
  const nowHeading = h("h2", {}), list = h("div", { id: "air-now" }), dayHeading = h("h2", {}), above = h("div", { id: "air-above" }), monthHeading = h("h2", {}), calendar = h("div", { id: "air-month" });
  const station = /** @type {any} */ (h("select", { onchange: () => { month(); roses(); } })), which = /** @type {any} */ (h("input", { type: "month", onchange: () => ask() }));
  const save = h("button", { type: "button", onclick: () => days && saved(`air-${days.span}`, [["device", "name", "day", ...POLLUTANTS, "aqi", "class", "primary", "capture_pct"], ...days.days.map((line) => [line.device, line.name, line.day, ...POLLUTANTS.map((name) => line[name]), line.aqi, inLanguage(line, "class"), line.primary.join(" "), line.capture_pct])]) }, "CSV");
  panel.append(nowHeading, list, dayHeading, above, monthHeading, h("div", { class: "act" }, station, which, save, ...reportButtons({ source, what: "air", asked: () => ["span", which.value] })), calendar);
  const compareHeading = h("h2", {}), compared = h("div", { id: "air-compared" }), rosesHeading = h("h2", {}), rosesBox = h("div", { id: "roses" });
  const pollutant = /** @type {any} */ (h("select", { id: "rose-of", onchange: () => roses() }, POLLUTANTS.map((name) => h("option", { value: name, selected: name === "pm25" }, name))));
  const riversBox = h("div", {});
  panel.append(rosesHeading, h("div", { class: "act" }, pollutant), rosesBox, compareHeading, compared, riversBox);
  const rivers = riversOf({ now, source, box: riversBox, chooseDevice });
  let rose = null, roseAsked = "";
  let days = null, yesterday = null, tongue = "", asked = false;

  function draw() {
    if (panel.hidden) return;
    const stations = [...now.devices.values()].filter((device) => device.kind === KIND).map((device) => ({ device, aqi: device.values?.aqi?.value }));
    stations.sort((a, b) => (b.aqi ?? -1) - (a.aqi ?? -1) || nameOf(a.device).localeCompare(nameOf(b.device)));
    nowHeading.textContent = say("airNow");
    dayHeading.textContent = say("airYesterday");
    monthHeading.textContent = say("airMonth");
    rosesHeading.textContent = say("roses");
    compareHeading.textContent = say("airCompared");
    pollutant.setAttribute("aria-label", say("pollutionRose"));
    rivers.draw();
    station.setAttribute("aria-label", say("airStation"));
    which.setAttribute("aria-label", say("airMonth"));
    keep(list, stations, ({ device }) => device.device, ({ device, aqi }) => [aqi, device.name, language()], ({ device, aqi }) =>
      h("button", { type: "button", class: "device", "data-focus": "device", onclick: () => chooseDevice(device.device) },
        h("i", { vars: { "--dot": aqi == null ? "transparent" : classOf(aqi).colour } }), h("span", { class: "name" }, nameOf(device)), h("span", { class: "value" }, aqi == null ? say("airUnknown") : `${valueText("aqi", aqi)} ${say(classOf(aqi).name)}`)));
    if (!asked && stations.length) { asked = true; ask(); } else if (tongue !== language() && asked) tables();
  }

  async function ask() {
    try {
      yesterday ??= await source.get("/api/v1/air");
      which.value ||= yesterday.span.slice(0, 7);
      days = await source.get(`/api/v1/air?span=${encodeURIComponent(which.value)}`);
      tables();
    } catch (error) { calendar.replaceChildren(h("p", { class: "wrong", role: "alert" }, spoken(`${say("failed")} ${refusalText(error)}`))); }
  }

  function tables() {
    tongue = language();
    const beyond = (yesterday?.days ?? []).filter((line) => line.aqi > LIMIT);
    above.replaceChildren(beyond.length ? h("ul", {}, beyond.map((line) => h("li", {}, `${line.name || line.device}: AQI ${line.aqi}, ${inLanguage(line, "class")} · ${line.primary.map((name) => `${metricName(name)} ${valueText(name, line[name])}`).join(", ")}`)))
      : h("p", { class: "sub" }, say((yesterday?.days ?? []).some((line) => line.aqi !== null) ? "airNoneAbove" : "airUnknown")));
    const chosen = station.value, known = new Map((days?.days ?? []).map((line) => [line.device, line.name || line.device]));
    station.replaceChildren(...[...known].map(([id, name]) => h("option", { value: id, selected: id === chosen }, name)));
    for (const option of pollutant.options) option.textContent = metricName(option.value);
    month();
    compare();
    roses();
  }

  /** The stations beside each other over the month: means of what days have, days above the standard, data capture. */
  function compare() {
    const by = new Map();
    for (const line of days?.days ?? []) by.set(line.device, [...(by.get(line.device) ?? []), line]);
    const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
    const shown = (name, value) => h("td", { class: "n" }, value === null ? "–" : valueText("", name === "co" ? Number(value.toFixed(1)) : Math.round(value)));
    compared.replaceChildren(h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": say("airCompared") }, h("table", {},
      h("thead", {}, h("tr", {}, [say("airStation"), ...POLLUTANTS.map((name) => metricName(name)), say("airDaysAbove"), `${say("airCapture")} %`].map((name, place) => h("th", { class: place ? "n" : "" }, name)))),
      h("tbody", {}, [...by].map(([id, lines]) => h("tr", { "data-station": id }, h("td", {}, h("button", { type: "button", onclick: () => chooseDevice(id) }, lines[0].name || id)),
        ...POLLUTANTS.map((name) => shown(name, mean(lines.map((line) => line[name]).filter((value) => value !== null)))),
        h("td", { class: "n" }, `${lines.filter((line) => line.aqi > LIMIT).length} / ${lines.filter((line) => line.aqi !== null).length}`), shown("co", mean(lines.map((line) => line.capture_pct)))))))),
    h("p", { class: "sub" }, say("airComparedNote")));
  }

  /** The roses of the chosen station and month; what was asked for is not asked again in another language. */
  async function roses() {
    const wanted = new URLSearchParams({ device: station.value, span: which.value, pollutant: pollutant.value }).toString();
    if (!station.value) { rosesBox.replaceChildren(); return; }
    if (wanted !== roseAsked) {
      roseAsked = wanted;
      try {
        const found = await source.get(`/api/v1/roses?${wanted}`);
        if (wanted !== roseAsked) return;
        rose = found;
      } catch (error) { rose = null; rosesBox.replaceChildren(h("p", { class: "wrong", role: "alert" }, spoken(`${say("failed")} ${refusalText(error)}`))); return; }
    }
    if (rose) rosesBox.replaceChildren(drawnRoses(rose));
  }

  /** Weeks as rows, Monday first; each day says its index and class in words, too. */
  function month() {
    const lines = (days?.days ?? []).filter((line) => line.device === station.value);
    if (!lines.length) { calendar.replaceChildren(h("p", { class: "sub" }, say("airUnknown"))); return; }
    const weekday = (day) => (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7;
    const cells = [...Array(weekday(lines[0].day)).fill(null), ...lines], weeks = [];
    while (cells.length) weeks.push(cells.splice(0, 7));
    calendar.replaceChildren(h("table", { class: "month" },
      h("thead", {}, h("tr", {}, [...Array(7).keys()].map((number) => h("th", { scope: "col" }, new Date(Date.UTC(2026, 5, 1 + number)).toLocaleDateString(language(), { weekday: "short", timeZone: "UTC" }))))),
      h("tbody", {}, weeks.map((week) => h("tr", {}, [...Array(7).keys()].map((number) => cell(week[number] ?? null)))))),
      h("p", { class: "sub" }, `${say("airCapture")} ${(lines.reduce((sum, line) => sum + line.capture_pct, 0) / lines.length).toFixed(1)} %`));
  }

  function cell(line) {
    if (!line) return h("td", {});
    const words = line.aqi === null ? say("airUnknown") : inLanguage(line, "class");
    return h("td", { "data-day": line.day, class: "day", vars: { "--dot": line.aqi === null ? "transparent" : classOf(line.aqi).colour }, title: `${line.day}: ${words} · ${say("airCapture")} ${line.capture_pct} %` },
      h("span", { class: "sub" }, String(Number(line.day.slice(8)))), h("b", {}, line.aqi === null ? "–" : String(line.aqi)), h("span", { class: "unseen" }, words));
  }

  const nameOf = (device) => device.name || device.device;

  return { draw };
}
