// Zones drawn on the map by who may: corners by clicks or as text, the change of the city's zones.geojson shown first, then written.

import { h } from "./parts.js";
import { say } from "./words.js";

const KINDS = ["no-entry", "keep-in", "school", "restricted", "plant", "hazmat-route", "anchorage", "bridge"];
const CORNERS_MIN = 3;

/** `drawn()`: the city has other zones now; `opened(open)`: whether a zone is being drawn. */
export function fencesOf({ map, source, box, drawn, opened }) {
  let base = null, removing = null;
  const fields = /** @type {Record<string, any>} */ ({});
  const corners = /** @type {any} */ (h("textarea", { rows: 4, spellcheck: "false", oninput: () => { map.sketch = read(); map.changed = true; fresh(); } }));
  const zones = /** @type {any} */ (h("select", {})), shown = h("div", { role: "status" }), said = h("div", { class: "wrong", role: "alert" });
  const heading = h("h2", {}), hint = h("p", { class: "sub" });
  const kinds = h("datalist", { id: "zone-kinds" }, KINDS.map((kind) => h("option", { value: kind })));
  for (const [name, type] of [["zone", "text"], ["name", "text"], ["kind", "text"], ["speed_limit_kmh", "number"]]) fields[name] = h("input", { type, maxlength: 100, min: type === "number" ? 1 : undefined, list: name === "kind" ? "zone-kinds" : undefined, "data-zone-field": name, oninput: () => fresh() });
  const buttons = /** @type {Record<string, any>} */ ({});
  for (const [name, act] of /** @type {[string, () => void][]} */ ([["undoCorner", undo], ["showLine", propose], ["close", close], ["removeZone", remove]])) buttons[name] = h("button", { type: "button", "data-fence": name, class: name === "showLine" ? "go" : "", onclick: act });
  box.append(heading, hint, h("div", { class: "act" }, kinds, Object.values(fields)), corners, h("div", { class: "act" }, buttons.undoCorner, buttons.showLine, buttons.close), h("div", { class: "act" }, zones, buttons.removeZone), shown, said);

  map.onSketch = (points) => { corners.value = points.map(([lon, lat]) => `${lon.toFixed(6)}, ${lat.toFixed(6)}`).join("\n"); fresh(); };

  /** What was looked at is not what stands here now. */
  function fresh() { base = null; removing = null; shown.replaceChildren(); said.textContent = ""; }
  const read = () => corners.value.split("\n").map((line) => line.split(/[,\s]+/).filter(Boolean).map(Number)).filter((pair) => pair.length === 2 && pair.every(Number.isFinite));
  const asked = () => (removing !== null ? { zone: removing, ring: null } : {
    zone: fields.zone.value.trim(), name: fields.name.value.trim(), kind: fields.kind.value.trim(), ring: read(),
    limits: fields.speed_limit_kmh.value ? { speed_limit_kmh: Number(fields.speed_limit_kmh.value) } : {},
  });

  function undo() { const points = read().slice(0, -1); map.sketch = points; map.onSketch(points); map.changed = true; }

  async function propose() {
    if (removing === null && (!fields.zone.value.trim() || read().length < CORNERS_MIN)) { said.textContent = say("zoneIncomplete"); return; }
    try {
      const found = await source.post("/api/v1/zones", asked());
      base = found.base;
      said.textContent = "";
      shown.replaceChildren(h("div", { class: "nums" }, `${found.file}, ${say("lineOf")} ${found.line}:`), h("pre", { class: "raw added" }, `${removing === null ? "+" : "−"} ${found.added}`), h("button", { type: "button", class: "go", "data-fence": "write", onclick: write }, say("writeLine")));
    } catch (error) { said.textContent = `${say("failed")} ${error.message}`; }
  }

  function remove() { fresh(); removing = zones.value; propose(); }

  async function write() {
    try {
      const done = await source.post("/api/v1/zones", { ...asked(), base }), wrong = done.reload?.mistakes ?? [];
      if (wrong.length) { shown.replaceChildren(h("div", { class: "wrong" }, `${say("writtenNotTaken")} ${wrong[0]}`)); return; }
      for (const field of [...Object.values(fields), corners]) field.value = "";
      map.sketch = box.hidden ? null : [];
      fresh();
      shown.replaceChildren(h("p", {}, say("zoneHolds")));
      await drawn();
      list();
    } catch (error) { said.textContent = `${say("failed")} ${error.message}`; base = null; shown.replaceChildren(); }
  }

  function list() { zones.replaceChildren(...map.ground.zones.map((zone) => h("option", { value: zone.zone }, zone.name || zone.zone))); }

  function open() {
    box.hidden = false;
    opened(true);
    map.sketch = read();
    map.changed = true;
    heading.textContent = say("drawZone");
    hint.textContent = say("drawZoneHow");
    corners.placeholder = corners.ariaLabel = say("zoneCorners");
    zones.ariaLabel = say("zones");
    for (const [name, field] of Object.entries(fields)) { field.placeholder = say(`zone_${name}`); field.ariaLabel = say(`zone_${name}`); }
    for (const [name, button] of Object.entries(buttons)) button.textContent = say(name);
    list();
    fields.zone.focus();
  }

  function close() { box.hidden = true; opened(false); map.sketch = null; map.changed = true; fresh(); }

  return { toggle() { if (box.hidden) open(); else close(); } };
}
