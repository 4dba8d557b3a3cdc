// Which warnings the list shows: by level, area, pack, kind. The map always shows all, and the list says how many it leaves out.

import { h } from "./parts.js";
import { kindName, language, say } from "./words.js";

const LEVELS = ["red", "orange", "yellow", "blue"];
export const FIELDS = ["area", "pack", "kind"];

const areaOf = (now, alert) => now.devices.get(alert.subject)?.area || alert.changes?.at(-1)?.area || (alert.subject.startsWith("area:") ? alert.subject.slice(5) : "");
const VALUES = { area: areaOf, pack: (_, alert) => alert.rule.split("/")[0], kind: (now, alert) => now.devices.get(alert.subject)?.kind ?? "" };

export const noFilter = () => ({ levels: [], area: "", pack: "", kind: "" });
export const filtered = (now, alert) => (!now.filter.levels.length || now.filter.levels.includes(alert.level)) && FIELDS.every((field) => !now.filter[field] || VALUES[field](now, alert) === now.filter[field]);

/** The filter as it stands in a link, and back. */
export function toLink(filter) {
  const given = new URLSearchParams();
  if (filter.levels.length) given.set("level", filter.levels.join(","));
  for (const field of FIELDS) if (filter[field]) given.set(field, filter[field]);
  return String(given);
}
export function fromLink(text) {
  const given = new URLSearchParams(text), filter = noFilter();
  filter.levels = (given.get("level") ?? "").split(",").filter((level) => LEVELS.includes(level));
  for (const field of FIELDS) filter[field] = given.get(field) ?? "";
  return filter;
}

export function filterBar(box, now, open, hidden, draw) {
  const choices = Object.fromEntries(FIELDS.map((field) => [field, [...new Set([...open.map((alert) => VALUES[field](now, alert)), now.filter[field]])].filter(Boolean).sort()]));
  const stamp = JSON.stringify([language(), now.filter, choices, hidden]);
  if (box.dataset.stamp === stamp) return;
  box.dataset.stamp = stamp;
  const change = (filter) => {
    now.filter = { ...now.filter, ...filter };
    const link = toLink(now.filter);
    history.replaceState(null, "", link ? `#filter=${encodeURIComponent(link)}` : location.pathname);
    draw();
  };
  const held = /** @type {any} */ (document.activeElement)?.dataset?.focus;
  box.replaceChildren(
    ...LEVELS.map((level) => {
      const on = now.filter.levels.includes(level);
      return h("button", { type: "button", class: `pill ${level}${on ? " on" : ""}`, "aria-pressed": String(on), "data-focus": `filter ${level}`, onclick: () => change({ levels: on ? now.filter.levels.filter((other) => other !== level) : [...now.filter.levels, level] }) }, h("i", { class: `shape ${level}`, "aria-hidden": "true" }), say(level));
    }),
    ...FIELDS.filter((field) => choices[field].length > 1 || now.filter[field]).map((field) =>
      h("select", { "aria-label": say(`by_${field}`), "data-focus": `filter ${field}`, onchange: (event) => change({ [field]: event.target.value }) },
        h("option", { value: "" }, say(`by_${field}`)), ...choices[field].map((value) => h("option", { value, selected: now.filter[field] === value }, field === "kind" ? kindName(value) : value)))),
    hidden ? h("button", { type: "button", class: "hidden-some", "data-focus": "filter off", onclick: () => change(noFilter()) }, `${hidden} ${say("hiddenSome")}`) : "");
  if (held) [...box.querySelectorAll("[data-focus]")].find((part) => part.dataset.focus === held)?.focus();
}
