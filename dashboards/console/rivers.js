// Rivers against their stages: how each gauge stands, which way it goes, and when the next stage is expected.

import { h, keep } from "./parts.js";
import { language, momentText, say, valueText } from "./words.js";

const STAGES = ["warning", "guaranteed", "record"];
const LEVELS = { warning: "yellow", guaranteed: "orange", record: "red" };
const EVERY_MS = 60_000; // between two questions while the page is shown
const MINUTE = 60;

export function riversOf({ now, source, box, chooseDevice }) {
  const heading = h("h2", {}), list = h("div", { id: "rivers" });
  box.append(heading, list);
  let rivers = [], askedAt = 0;

  function draw() {
    heading.textContent = say("rivers");
    heading.hidden = list.hidden = !rivers.length;
    keep(list, rivers, (river) => river.device, (river) => [JSON.stringify(river), language()], row);
    if (Date.now() - askedAt > EVERY_MS) { askedAt = Date.now(); ask(); }
  }

  async function ask() {
    try { rivers = (await source.get("/api/v1/rivers?limit=300")).rivers ?? []; draw(); } catch { /* the link shows it; it is asked again */ }
  }

  function row(river) {
    const change = river.change_m_per_h, way = change === null || Math.abs(change) < 0.005 ? "→" : change > 0 ? "↑" : "↓";
    const expected = river.expected;
    return h("div", { class: "box river", "data-river": river.device },
      h("div", { class: "top" }, h("button", { type: "button", onclick: () => chooseDevice(river.device) }, river.name || river.device),
        river.stands ? h("span", { class: `pill ${LEVELS[river.stands]}` }, `${say("above")} ${say(`stage_${river.stands}`)}`) : null,
        h("span", { class: "rate" }, river.level_m === null ? say("nolevel") : `${valueText("water_level", river.level_m)} ${way}${change === null ? "" : ` ${change.toFixed(2)} m/h`}`)),
      h("div", { class: "nums" }, [STAGES.filter((stage) => river.stages[stage] !== undefined).map((stage) => `${say(`stage_${stage}`)} ${valueText("water_level", river.stages[stage])}`).join(" · ") || say("nostages"), river.at ? momentText(river.at, now.skew) : ""].filter(Boolean).join(" · ")),
      expected ? h("div", { class: "detail expected" }, `${say("expectedAt")} ${say(`stage_${expected.stage}`)}: ${momentText(expected.at, now.skew)} ± ${Math.max(1, Math.round(expected.give_or_take_s / MINUTE))} ${say("minutes")}`) : null);
  }

  return { draw };
}
