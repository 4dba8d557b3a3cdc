// Unknown devices that knock: admitted, as a line more in the city's devices.csv that is shown before it is written, or refused.

import { h, spoken } from "./parts.js";
import { KINDS, count, foreign, momentText, refusalText, say } from "./words.js";

const FIELDS = ["name", "kind", "area", "lon", "lat"];
const NUMBERS = new Set(["lon", "lat"]);

export function unknownOf({ now, map, source, again }) {
  const open = new Map(); // device → its form, which outlives what is drawn around it

  /** What must change for a device to be drawn anew: not while somebody writes. */
  const stamp = (knock) => (open.has(knock.device) ? ["open"] : [knock.count, knock.refused?.at]);

  function row(knock) {
    const form = open.get(knock.device), said = h("span", { class: "wrong", role: "alert" });
    const refuse = (refused) => tell(said, () => source.post("/api/v1/unknown/refuse", { device: knock.device, refused, who: now.who?.() || undefined }));
    return h("div", { class: `box${knock.refused ? " refused" : ""}`, "data-knock": knock.device },
      h("div", { class: "top" }, h("b", {}, knock.device), h("span", { class: "rate" }, `${count(knock.count)} ${say("times")}`)),
      h("div", { class: "nums" }, [knock.adapter, momentText(knock.last_at, now.skew)].join(" · ")),
      knock.refused ? h("div", { class: "detail" }, [say("refusedBy"), knock.refused.who, momentText(knock.refused.at, now.skew), knock.refused.note].filter(Boolean).join(" · ")) : null,
      form ?? h("div", { class: "act" },
        h("button", { type: "button", "data-admit": knock.device, onclick: () => { open.set(knock.device, formOf(knock)); again(); } }, say("admit")),
        h("button", { type: "button", "data-refuse": knock.device, onclick: () => refuse(!knock.refused) }, say(knock.refused ? "refuseNoMore" : "refuse")), said));
  }

  /** Do it, then ask who knocks now; what goes wrong is said where it was asked. */
  async function tell(said, act) {
    said.textContent = "";
    try { await act(); } catch (error) { said.replaceChildren(...spoken(`${say("failed")} ${refusalText(error)}`)); return false; }
    again();
    return true;
  }

  function formOf(knock) {
    const kinds = h("datalist", { id: `kinds ${knock.device}` }, Object.keys(KINDS).map((kind) => h("option", { value: kind })));
    const inputs = Object.fromEntries(FIELDS.map((name) => [name, /** @type {any} */ (h("input", { type: NUMBERS.has(name) ? "number" : "text", step: NUMBERS.has(name) ? "any" : undefined, maxlength: 100, list: name === "kind" ? `kinds ${knock.device}` : undefined, placeholder: say(`field_${name}`), "aria-label": say(`field_${name}`), "data-field": name, oninput: () => { base = null; shown.replaceChildren(); } }))]));
    inputs.kind.value = knock.kind ?? "";
    const shown = h("div", { role: "status" }), said = h("span", { class: "wrong", role: "alert" });
    let base = null;
    const asked = () => ({ device: knock.device, who: now.who?.() || undefined, ...Object.fromEntries(FIELDS.map((name) => [name, inputs[name].value.trim()]).filter(([, value]) => value).map(([name, value]) => [name, NUMBERS.has(name) ? Number(value) : value])) });

    async function propose() {
      said.textContent = "";
      try {
        const found = await source.post("/api/v1/unknown/admit", asked());
        base = found.base;
        shown.replaceChildren(h("div", { class: "nums" }, `${found.file}, ${say("lineOf")} ${found.line}:`), h("pre", { class: "raw added" }, `+ ${found.added}`), h("button", { type: "button", class: "go", "data-write": knock.device, onclick: () => write() }, say("writeLine")));
      } catch (error) { said.replaceChildren(...spoken(`${say("failed")} ${refusalText(error)}`)); }
    }

    async function write() {
      said.textContent = "";
      try {
        const done = await source.post("/api/v1/unknown/admit", { ...asked(), base });
        const wrong = done.reload?.mistakes ?? [];
        if (wrong.length) { shown.replaceChildren(h("div", { class: "wrong" }, spoken(`${say("writtenNotTaken")} ${foreign(wrong[0])}`))); return; }
        close();
      } catch (error) { said.replaceChildren(...spoken(`${say("failed")} ${refusalText(error)}`)); base = null; shown.replaceChildren(); }
    }

    function close() { open.delete(knock.device); again(); }
    const middle = () => { const [lon, lat] = map.middle(); inputs.lon.value = lon.toFixed(6); inputs.lat.value = lat.toFixed(6); base = null; shown.replaceChildren(); };
    return h("div", { class: "admission" }, h("div", { class: "act" }, kinds, FIELDS.map((name) => inputs[name]), h("button", { type: "button", onclick: middle }, say("mapMiddle"))),
      h("div", { class: "act" }, h("button", { type: "button", class: "go", "data-propose": knock.device, onclick: propose }, say("showLine")), h("button", { type: "button", onclick: close }, say("close")), said), shown);
  }

  return { row, stamp };
}
