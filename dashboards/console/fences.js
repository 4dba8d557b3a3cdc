// Zones drawn, reshaped and taken away on the map by who may: corners by mouse, keys or as text, the change of the city's zones.geojson shown first, then written.

import { h, spoken } from "./parts.js";
import { Sketch } from "./sketch.js";
import { foreign, refusalText, say } from "./words.js";

const KINDS = ["no-entry", "keep-in", "school", "restricted", "plant", "hazmat-route", "anchorage", "bridge"];
const CORNERS_MIN = 3;
const LIMIT = "speed_limit_kmh";

/** `drawn()`: the city has other zones now; `opened(open)`: whether zones are being drawn. */
export function fencesOf({ map, source, box, drawn, opened }) {
  let base = null, what = "draw", zone = null; // "draw" a new zone, "reshape" or "remove" the one that is named
  const fields = /** @type {Record<string, any>} */ ({});
  const corners = /** @type {any} */ (h("textarea", { rows: 4, spellcheck: "false", oninput: () => { map.sketch.corners = read(); map.sketch.picked = null; map.changed = true; fresh(); } }));
  const zones = /** @type {any} */ (h("select", {})), shown = h("div", { role: "status" }), said = h("div", { class: "wrong", role: "alert" });
  const heading = h("h2", {}), hint = h("p", { class: "sub" }), where = h("div", { class: "nums", role: "status", "data-fence": "where" });
  const kinds = h("datalist", { id: "zone-kinds" }, KINDS.map((kind) => h("option", { value: kind })));
  for (const [name, type] of [["zone", "text"], ["name", "text"], ["kind", "text"], [LIMIT, "number"]]) fields[name] = h("input", { type, maxlength: 100, min: type === "number" ? 1 : undefined, list: name === "kind" ? "zone-kinds" : undefined, "data-zone-field": name, oninput: () => fresh() });
  const buttons = /** @type {Record<string, any>} */ ({});
  const acts = /** @type {Record<string, () => void>} */ ({
    nextCorner: () => map.sketch.turn(1), halveEdge: () => map.sketch.halve(), undoCorner: () => map.sketch.remove(),
    showLine: propose, close, reshapeZone: reshape, removeZone: remove,
  });
  for (const [name, act] of Object.entries(acts)) buttons[name] = h("button", { type: "button", "data-fence": name, class: name === "showLine" ? "go" : "", onclick: act });
  box.append(heading, hint, h("div", { class: "act" }, kinds, Object.values(fields)), corners, where, h("div", { class: "act" }, buttons.nextCorner, buttons.halveEdge, buttons.undoCorner), h("div", { class: "act" }, buttons.showLine, buttons.close), h("div", { class: "act" }, zones, buttons.reshapeZone, buttons.removeZone), shown, said);

  /** A hand moved something on the map: the text follows it. */
  function moved(sketch) {
    corners.value = written(sketch.corners);
    const at = sketch.corners[sketch.picked];
    where.textContent = at ? `${say("corner")} ${sketch.picked + 1} / ${sketch.corners.length}: ${written([at])}` : "";
    map.changed = true;
    fresh();
  }

  const written = (places) => places.map(([lon, lat]) => `${lon.toFixed(6)}, ${lat.toFixed(6)}`).join("\n");
  const read = () => corners.value.split("\n").map((line) => line.split(/[,\s]+/).filter(Boolean).map(Number)).filter((pair) => pair.length === 2 && pair.every(Number.isFinite));
  const sketched = (open, places = []) => { map.sketch = new Sketch({ corners: places, open, changed: moved }); map.changed = true; };

  /** What was looked at is not what stands here now. */
  function fresh() { base = null; if (what === "remove") what = "draw"; shown.replaceChildren(); said.textContent = ""; }

  function asked() {
    if (what === "remove") return { zone, ring: null };
    if (what === "reshape") return { zone, ring: read(), reshape: true };
    return { zone: fields.zone.value.trim(), name: fields.name.value.trim(), kind: fields.kind.value.trim(), ring: read(), limits: fields[LIMIT].value ? { [LIMIT]: Number(fields[LIMIT].value) } : {} };
  }

  async function propose() {
    if (what !== "remove" && ((what === "draw" && !fields.zone.value.trim()) || read().length < CORNERS_MIN)) { said.textContent = say("zoneIncomplete"); return; }
    try {
      const found = await source.post("/api/v1/zones", asked());
      base = found.base;
      said.textContent = "";
      shown.replaceChildren(h("div", { class: "nums" }, `${found.file}, ${say("lineOf")} ${found.line}:`),
        found.removed ? h("pre", { class: "raw gone" }, `− ${found.removed}`) : "", found.added ? h("pre", { class: "raw added" }, `+ ${found.added}`) : "",
        h("button", { type: "button", class: "go", "data-fence": "write", onclick: write }, say("writeLine")));
    } catch (error) { said.replaceChildren(...spoken(`${say("failed")} ${refusalText(error)}`)); }
  }

  /** The chosen zone as it is, for hands to change; its name, kind and limits stay. */
  function reshape() {
    const found = map.ground.zones.find((item) => item.zone === zones.value);
    if (!found) return;
    fresh();
    [what, zone] = ["reshape", found.zone];
    for (const [name, text] of Object.entries({ zone: found.zone, name: found.name, kind: found.kind, [LIMIT]: found.limits?.[LIMIT] ?? "" })) Object.assign(fields[name], { value: text, disabled: true });
    sketched(false, found.rings[0].slice(0, -1));
    corners.value = written(map.sketch.corners);
    map.flyTo(map.sketch.corners);
    speak();
    map.canvas.focus();
  }

  function remove() {
    if (!zones.value) return;
    fresh();
    [what, zone] = ["remove", zones.value];
    propose();
  }

  async function write() {
    try {
      const done = await source.post("/api/v1/zones", { ...asked(), base }), wrong = done.reload?.mistakes ?? [];
      if (wrong.length) { shown.replaceChildren(h("div", { class: "wrong" }, spoken(`${say("writtenNotTaken")} ${foreign(wrong[0])}`))); return; }
      anew();
      shown.replaceChildren(h("p", {}, say("zoneHolds")));
      await drawn();
      list();
    } catch (error) { said.replaceChildren(...spoken(`${say("failed")} ${refusalText(error)}`)); base = null; shown.replaceChildren(); }
  }

  /** Nothing is drawn, and what will be is a new zone. */
  function anew() {
    [what, zone] = ["draw", null];
    for (const field of [...Object.values(fields), corners]) Object.assign(field, { value: "", disabled: false });
    where.textContent = "";
    if (box.hidden) map.sketch = null; else sketched(true);
    map.changed = true;
    fresh();
    speak();
  }

  function list() {
    zones.replaceChildren(...map.ground.zones.map((item) => h("option", { value: item.zone }, item.name || item.zone)));
    buttons.reshapeZone.disabled = buttons.removeZone.disabled = !map.ground.zones.length;
  }

  function speak() {
    heading.textContent = what === "reshape" ? `${say("reshapeZone")}: ${fields.name.value || zone}` : say("drawZone");
    hint.textContent = say(what === "reshape" ? "reshapeZoneHow" : "drawZoneHow");
    corners.placeholder = corners.ariaLabel = say("zoneCorners");
    zones.ariaLabel = say("zones");
    for (const [name, field] of Object.entries(fields)) { field.placeholder = say(`zone_${name}`); field.ariaLabel = say(`zone_${name}`); }
    for (const [name, button] of Object.entries(buttons)) button.textContent = say(name);
  }

  function open() {
    box.hidden = false;
    opened(true);
    if (what !== "reshape") sketched(true, read());
    list();
    speak();
    fields.zone.focus();
  }

  function close() { box.hidden = true; opened(false); anew(); }

  return { toggle() { if (box.hidden) open(); else close(); }, speak() { if (!box.hidden) speak(); } };
}
