// The fleet: who drives, idles, stands or is not heard now, and what every vehicle did in a day.

import { reportButtons, saved } from "./files.js";
import { h, keep, spoken } from "./parts.js";
import { FAMILIES, agoText, language, momentText, refusalText, say, valueText } from "./words.js";

export const VEHICLES = new Set(FAMILIES.road.kinds);
const MOVING_KMH = 3; // the pack "fleet" counts less as standing
const OFFLINE_MS = 300_000;
const STATES = ["moving", "idling", "parked", "offline"];
const COLUMNS = ["name", "trips", "distance_km", "moving_h", "idling_h", "standing_h", "fastest_kmh", "first_start", "last_end", "fuel_l"];
const MOMENTS = new Set(["first_start", "last_end"]);
const SHOWN = 300;

/** What a vehicle does now: "moving", "idling" (stands with its ignition on), "parked", or "offline" (nothing heard for five minutes). `at`: the hub's time, ms. */
export function stateOf(device, at) {
  if (!device.received_at || at - Date.parse(device.received_at) > OFFLINE_MS) return "offline";
  const value = (metric) => device.values?.[metric]?.value;
  if (Number(value("speed")) > MOVING_KMH) return "moving";
  return value("ignition") === true ? "idling" : "parked";
}

export function fleetOf({ now, source, panel, chooseDevice }) {
  const summary = h("p", { class: "sub", role: "status" }), list = h("div", {}), report = h("div", { id: "fleet-day" });
  const day = /** @type {any} */ (h("input", { type: "date", onchange: () => ask() })), heading = h("h2", {}), dayHeading = h("h2", {});
  const save = h("button", { type: "button", id: "fleet-csv", onclick: () => told && saved(`fleet-${told.day}`, [COLUMNS.map((column) => say(`fleet_${column}`)), ...told.vehicles.map((row) => COLUMNS.map((column) => row[column]))]) }, "CSV");
  panel.append(heading, summary, list, dayHeading, h("div", { class: "act" }, day, save, ...reportButtons({ source, what: "fleet", asked: () => ["day", day.value] })), report);
  let told = null, tongue = "", asked = false;

  function draw() {
    if (panel.hidden) return;
    const at = Date.now() + now.skew, vehicles = [...now.devices.values()].filter((device) => VEHICLES.has(device.kind)).map((device) => ({ device, state: stateOf(device, at) }));
    vehicles.sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || nameOf(a.device).localeCompare(nameOf(b.device)));
    heading.textContent = say("fleetNow");
    dayHeading.textContent = say("fleetDay");
    day.setAttribute("aria-label", say("fleetDay"));
    summary.textContent = vehicles.length ? STATES.map((state) => `${say(`is_${state}`)} ${vehicles.filter((one) => one.state === state).length}`).join(" · ") : say("novehicles");
    keep(list, vehicles.slice(0, SHOWN), ({ device }) => device.device, ({ device, state }) => [state, device.received_at, language()], ({ device, state }) => {
      const speed = device.values?.speed?.value, driver = device.values?.driver?.value;
      return h("button", { type: "button", class: `device${state === "offline" ? " old" : ""}`, "data-focus": "device", "data-state": state, onclick: () => chooseDevice(device.device) },
        h("i", { vars: { "--dot": FAMILIES.road.colour } }),
        h("span", { class: "name" }, `${nameOf(device)}${driver ? ` · ${driver}` : ""}`),
        h("span", { class: "value" }, `${say(`is_${state}`)}${state === "moving" ? ` ${valueText("speed", speed, device.values.speed.mark)}` : state === "offline" && device.received_at ? ` ${agoText(at - Date.parse(device.received_at))}` : ""}`));
    });
    if (!asked) { asked = true; ask(); } else if (told && tongue !== language()) table();
  }

  /** A day of the city; yesterday before one is chosen. */
  async function ask() {
    try {
      told = await source.get(`/api/v1/fleet${day.value ? `?day=${encodeURIComponent(day.value)}` : ""}`);
      day.value = told.day;
      table();
    } catch (error) { told = null; report.replaceChildren(h("p", { class: "wrong", role: "alert" }, spoken(`${say("failed")} ${refusalText(error)}`))); }
  }

  function table() {
    tongue = language();
    report.replaceChildren(told.vehicles.length ? h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": say("fleetDay") }, h("table", {},
      h("thead", {}, h("tr", {}, COLUMNS.map((column) => h("th", { class: column === "name" ? "" : "n" }, say(`fleet_${column}`))))),
      h("tbody", {}, told.vehicles.map((row) => h("tr", { "data-vehicle": row.device }, COLUMNS.map((column) => h("td", { class: column === "name" ? "" : "n" },
        column === "name" ? h("button", { type: "button", onclick: () => chooseDevice(row.device) }, row.name || row.device) : row[column] === null ? "–" : MOMENTS.has(column) ? momentText(row[column], now.skew) : valueText("", row[column])))))))) : h("p", { class: "sub" }, say("novehicles")));
  }

  const nameOf = (device) => device.name || device.device;

  return { draw };
}
