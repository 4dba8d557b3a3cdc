// Warnings as cards: what, since when, how bad at worst and now, why, who sees it, who has it; and what can be done about it.

import { evidenceOf } from "./evidence.js";
import { filtered, filterBar } from "./filters.js";
import { handoverOf } from "./handover.js";
import { members } from "./pairs.js";
import { h, keep, needle, spoken } from "./parts.js";
import { picturesOf } from "./pictures.js";
import { agoText, changeName, clockText, language, metricName, momentText, refusalText, say, told, untilText, valueText } from "./words.js";

export const LEVELS = ["blue", "yellow", "orange", "red"];
const CLOSED_SHOWN = 12;
const SHELVE_H = [1, 8, 24];
const WORK_H = 2;
/** @returns {any} */
const byId = (id) => document.getElementById(id);

export const worstFirst = (a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level) || Date.parse(b.raised_at) - Date.parse(a.raised_at);

export function cardsOf({ now, map, acts, source, chooseAlert, draw }) {
  const bar = h("div", { id: "filters" }), list = h("div", { id: "cards" });
  const evidence = evidenceOf({ now, source }), pictures = picturesOf({ source }), handover = handoverOf({ now, acts, source });

  byId("tab-warnings").append(handover.box, bar, list);

  function warnings() {
    handover.draw();
    const open = [...now.open.values()].sort(worstFirst), shown = open.filter((alert) => filtered(now, alert));
    filterBar(bar, now, open, open.length - shown.length, draw);
    const parts = [];
    const { state, unheard } = now.trust ?? { state: "lost", unheard: [] };
    const calm = state === "well" && !unheard.length;
    if (!open.length) parts.push({ key: "calm", calm: true });
    parts.push(...shown.map((alert) => ({ key: alert.alert, alert })));
    if (now.closed.length) parts.push({ key: "lately", heading: say("lately") }, ...now.closed.slice(0, CLOSED_SHOWN).map((alert) => ({ key: `closed ${alert.alert}`, alert })));
    const stamp = ({ alert, heading }) => JSON.stringify([language(), now.rules.size, heading, alert ? "" : [state, unheard.map((part) => part.part)], alert && [alert.level, alert.changed_at, alert.acknowledged_by, alert.shelved_until, alert.title, alert.open, alert.changes?.length, alert.cameras?.length, alert.notes?.length, alert.next_call_at, now.chosen === alert.alert, acts.stamp(alert.alert)]]);
    keep(list, parts, (part) => part.key, stamp, (part) =>
      part.calm ? calmness(calm, state, unheard) : part.heading ? h("h2", {}, part.heading) : card(part.alert));
    // Values change every second. A card is not built anew for them: somebody may be writing in it.
    for (const part of parts) if (part.alert) {
      const line = /** @type {any} */ ([...list.children].find((child) => /** @type {any} */ (child).dataset.key === part.key)?.querySelector(".values")), text = presentText(part.alert);
      if (line && line.textContent !== text) line.textContent = text;
    }
  }

  /** "All calm" is a promise: only while the hub is heard, is well, and hears its sources. */
  function calmness(calm, state, unheard) {
    if (calm) return h("div", { class: "none" }, h("b", {}, say("allcalm")), say("nowarnings"));
    if (state !== "well") return h("div", { class: "none unsure" }, h("b", {}, say("unsure")));
    return h("div", { class: "none unsure" }, h("b", {}, say("nowarnings")), `${say("unheard")} ${unheard.map((part) => part.part.replace("adapter/", "")).join(", ")}`);
  }

  function card(alert) {
    const chosen = now.chosen === alert.alert, since = Date.parse(alert.open ? alert.raised_at : alert.changed_at);
    const seeing = (alert.cameras ?? []).filter((view) => view.sees).length;
    return h("article", { class: `card ${alert.level}${chosen ? " chosen" : ""}${alert.open ? " fresh" : " closed"}`, "data-alert": alert.alert },
      h("button", { class: "head", type: "button", "aria-expanded": String(chosen), "data-focus": "head", onclick: () => chooseAlert(alert.alert) },
        h("span", { class: "row" },
          h("span", { class: `pill ${alert.level}` }, h("i", { class: `shape ${alert.level}`, "aria-hidden": "true" }), alert.open ? say(alert.level) : `✓ ${say("cleared")}`),
          h("time", { datetime: alert.raised_at }, momentText(alert.raised_at, now.skew)),
          alert.acknowledged_by ? h("span", { class: "has" }, `✓ ${alert.acknowledged_by}`) : null,
          alert.false_alarm ? h("span", { class: "has" }, `⊘ ${say("falseAlarm")}`) : null,
          alert.shelved_until ? h("span", { class: "has" }, `⏸ ${say("shelved")} ${momentText(alert.shelved_until, now.skew)}`) : null,
          h("span", { class: "since", "data-since": since }, agoText(Date.now() + now.skew - since))),
        h("span", { class: "title" }, told(alert, "title") || alert.subject),
        h("span", { class: "values" }, presentText(alert)),
        h("span", { class: "sub" }, `${alert.origin ? `${alert.origin} › ` : ""}${nameOf(alert.subject)} · ${alert.rule}${seeing ? ` · ◉ ${seeing}` : ""}`)),
      acts.pending(alert.alert),
      chosen ? more(alert) : null);
  }

  /** What the rule compares, when the warning was at its worst level and now. Between two changes it may have been worse still; the curve shows that. */
  function presentText(alert) {
    const rule = now.rules.get(alert.rule.replace(/:silent$/, "")), values = now.devices.get(alert.subject)?.values ?? {};
    const compared = new Set((rule?.levels ?? []).flatMap((level) => level.limits.map((limit) => limit.metric))), named = new Map(Object.entries(rule?.names ?? {}).map(([name, metric]) => [metric, name]));
    const said = [];
    for (const metric of compared.size ? compared : named.keys()) {
      const worst = alert.worst?.values?.[named.get(metric)], parts = [];
      if (typeof worst === "number") parts.push(`${language() === "en" ? `${say("at")} ${say(alert.worst.level)}` : `${say(alert.worst.level)}${say("at")}`} ${valueText(metric, worst)}`);
      if (alert.open && metric in values) parts.push(`${say("present")} ${valueText(metric, values[metric].value, values[metric].mark)}`);
      if (parts.length) said.push(`${metricName(metric)} ${parts.join(" · ")}`);
    }
    return said.slice(0, 2).join("; ");
  }

  function more(alert) {
    const parts = [h("p", { class: "reason" }, told(alert, "cause") || told(alert, "reason"))];
    if (alert.contact > 1) parts.push(h("p", {}, `☎ ${say("called")}: ${alert.contact}`));
    const due = Date.parse(alert.next_call_at ?? "");
    if (alert.open && due) parts.push(h("p", { class: "countdown" }, `☎ ${say("nextcall")} `, h("b", { "data-until": due }, untilText(due - Date.now() - now.skew))));
    parts.push(evidence.box(alert));
    const traced = (alert.changes ?? []).flatMap((change) => change.evidence ?? []).filter((item) => item.attribution).at(-1)?.attribution;
    if (traced) parts.push(h("h3", {}, say("upwind")), traced.withheld ? h("p", {}, told(traced, "withheld")) : h("ol", { class: "history" }, traced.candidates.map((found) => h("li", {}, h("time", {}, found.score.toFixed(2)), `${found.name} · ${told(found, "why")}`))));
    parts.push(h("h3", {}, say("cameras")));
    if (!alert.cameras?.length) parts.push(h("p", {}, say("nocamera")));
    parts.push(...(alert.cameras ?? []).map((view) => cameraRow(alert, view)));
    if (alert.handover?.length) {
      // It moves: who will have it when. Times are the hub's own.
      parts.push(h("h3", {}, say("handover")), h("ol", { class: "history" }, alert.handover.map((watch) => h("li", {}, h("time", {}, clockText(watch.from)), watch.camera ? watch.name || watch.camera : say("nobody")))));
    }
    const told_of = [...(alert.changes ?? []), ...(alert.notes ?? [])].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const history = told_of.map((one) => h("li", { class: one.kind || one.change === "cleared" ? "" : one.level }, h("time", {}, momentText(one.at, now.skew)), `${one.kind ? say(`noted_${one.kind}`) : `${say(one.level)} ${changeName(one.change)}`}${one.who ? ` · ${one.who}` : ""}${one.note ? `: ${one.note}` : ""}`));
    if (history.length) parts.push(h("h3", {}, say("history")), h("ol", { class: "history" }, history));
    parts.push(acting(alert));
    return h("div", { class: "more" }, parts);
  }

  function cameraRow(alert, view) {
    const row = h("button", { type: "button", class: `camera${view.sees ? "" : " blind"}`, "data-focus": `camera ${view.camera}`, onclick: () => look(alert, view) },
      needle(view.bearing_deg, view.sees), h("span", {}, view.name || view.camera), h("span", { class: "far" }, `${Math.round(view.distance_m)} m · ${Math.round(view.bearing_deg)}°`),
      h("span", { class: "why" }, told(view, "reason") || say(view.sees ? "sees" : "blind")));
    const stream = /^https?:\/\//.test(view.stream_url ?? "") ? h("a", { class: "stream", href: view.stream_url, target: "_blank", rel: "noopener noreferrer" }, say("stream")) : null;
    const picture = map.cameras.get(view.camera)?.picture ? pictures.box(view.camera, view.name || view.camera) : null;
    return stream || picture ? h("div", {}, row, stream, picture) : row;
  }

  function acting(alert) {
    const who = h("input", { placeholder: say("who"), "aria-label": say("who"), value: acts.draft(alert.alert).who ?? acts.who(), oninput: (event) => acts.keep(alert.alert, { who: event.target.value }), maxlength: 100, autocomplete: "name", "data-focus": "who" });
    const note = h("input", { placeholder: say("note"), "aria-label": say("note"), value: acts.draft(alert.alert).note ?? "", oninput: (event) => acts.keep(alert.alert, { note: event.target.value }), maxlength: 500, "data-focus": "note" });
    const act = (kind, more = {}) => () => (who.value.trim() ? acts.begin(alert, kind, { who: who.value.trim(), note: note.value.trim(), ...more }) : who.focus());
    const button = (text, kind, more, strong = "") => h("button", { type: "button", class: strong, "data-act": kind, "data-focus": `${kind} ${text}`, onclick: act(kind, more) }, text);
    const until = (hours) => ({ until: new Date(Date.now() + now.skew + hours * 3_600_000).toISOString() });
    const comment = () => (note.value.trim() ? act("comment")() : note.focus());
    const writing = [h("button", { type: "button", "data-act": "comment", "data-focus": "comment", onclick: comment }, say("comment")),
      alert.false_alarm ? button(say("noFalseAlarm"), "no-false-alarm", {}) : button(say("falseAlarm"), "false-alarm", {})];
    const trouble = acts.trouble(alert.alert), wrong = trouble ? h("div", { class: "wrong", role: "alert" }, spoken(`${say("failed")} ${refusalText(trouble)}`)) : null;
    if (!alert.open) return h("div", { class: "act" }, who, note, writing, wrong);
    note.addEventListener("keydown", (event) => { if (event.key === "Enter") act(alert.acknowledged_by ? "shelve" : "acknowledge", { level: alert.level, ...(alert.acknowledged_by ? until(SHELVE_H[0]) : {}) })(); });
    return h("div", { class: "act" }, who, note,
      alert.acknowledged_by ? null : button(say("acknowledge"), "acknowledge", { level: alert.level }, "go"),
      alert.shelved_until ? button(say("unshelve"), "unshelve", {}) : SHELVE_H.map((hours) => button(`${say("shelve")} ${hours} ${say("ago_h")}`, "shelve", { level: alert.level, ...until(hours) })),
      now.devices.has(alert.subject) ? button(`${say("work")} ${WORK_H} ${say("ago_h")}`, "maintenance", { target: alert.subject, ...until(WORK_H) }) : null,
      writing, wrong);
  }

  function look(alert, view) {
    const camera = map.cameras.get(view.camera), place = map.whereIs(alert);
    map.marked = { camera: view.camera };
    if (camera && place) map.flyTo([place, camera.position]);
  }

  const nameOf = (subject) => members(subject, now.devices).map((id) => now.devices.get(id)?.name || id).join(" + ");

  return { draw: warnings, handover };
}
