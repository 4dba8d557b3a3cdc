// The desk beside the map: four panels over the same present.

import { bars, h, keep, needle, spark } from "./parts.js";
import { FAMILIES, agoText, changeName, clockText, count, familyOf, kindName, language, metricName, say, stateName, telling, unitOf, valueText } from "./words.js";

const LEVELS = ["blue", "yellow", "orange", "red"];
const DEVICES_SHOWN = 300;
const CLOSED_SHOWN = 12;
const STALE_MS = 300_000;
const DAY = { month: "short", day: "numeric", second: undefined, hour: "2-digit", minute: "2-digit" };
/** @returns {any} */
const byId = (id) => document.getElementById(id);

export function deskOf({ now, map, chooseAlert, chooseDevice, chooseMetric, acknowledge, draw }) {
  const troubles = new Map(); // alert → why its acknowledgement failed

  // -------------------------------------------------------------------------------------------------- warnings

  function warnings() {
    const panel = byId("tab-warnings");
    const open = [...now.open.values()].sort((a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level) || Date.parse(b.raised_at) - Date.parse(a.raised_at));
    const parts = [];
    if (!open.length) parts.push({ key: "calm", calm: true });
    const { state, unheard } = now.trust ?? { state: "lost", unheard: [] };
    const calm = state === "well" && !unheard.length;
    parts.push(...open.map((alert) => ({ key: alert.alert, alert })));
    if (now.closed.length) parts.push({ key: "lately", heading: say("lately") }, ...now.closed.slice(0, CLOSED_SHOWN).map((alert) => ({ key: `closed ${alert.alert}`, alert })));
    const stamp = ({ alert, heading }) => JSON.stringify([language(), heading, alert ? "" : [state, unheard.map((part) => part.part)], alert && [alert.level, alert.changed_at, alert.acknowledged_by, alert.title, alert.open, alert.changes?.length, alert.cameras?.length, now.chosen === alert.alert, troubles.get(alert.alert)]]);
    keep(panel, parts, (part) => part.key, stamp, (part) =>
      part.calm ? calmness(calm, state, unheard) : part.heading ? h("h2", {}, part.heading) : card(part.alert));
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
    return h("article", { class: `card ${alert.level}${chosen ? " chosen" : ""}${alert.open ? " fresh" : " closed"}` },
      h("button", { class: "head", type: "button", "aria-expanded": chosen, "data-focus": "head", onclick: () => chooseAlert(alert.alert) },
        h("span", { class: "row" },
          h("span", { class: `pill ${alert.level}` }, alert.open ? say(alert.level) : `✓ ${say("cleared")}`),
          h("span", {}, clockText(alert.raised_at)),
          alert.acknowledged_by ? h("span", {}, `✓ ${alert.acknowledged_by}`) : null,
          h("span", { class: "since", "data-since": since }, agoText(Date.now() + now.skew - since))),
        h("span", { class: "title" }, alert.title || alert.subject),
        h("span", { class: "sub" }, `${alert.origin ? `${alert.origin} › ` : ""}${nameOf(alert.subject)} · ${alert.rule}${seeing ? ` · ◉ ${seeing}` : ""}`)),
      chosen ? more(alert) : null);
  }

  function more(alert) {
    const parts = [];
    if (alert.reason) parts.push(h("p", {}, alert.reason));
    const traced = (alert.changes ?? []).flatMap((change) => change.evidence ?? []).filter((item) => item.attribution).at(-1)?.attribution;
    if (traced) parts.push(h("h3", {}, say("upwind")), traced.withheld ? h("p", {}, traced.withheld) : h("ol", { class: "history" }, traced.candidates.map((found) => h("li", {}, h("time", {}, found.score.toFixed(2)), `${found.name} · ${found.why}`))));
    parts.push(h("h3", {}, say("cameras")));
    if (!alert.cameras?.length) parts.push(h("p", {}, say("nocamera")));
    for (const view of alert.cameras ?? []) {
      parts.push(h("button", { type: "button", class: `camera${view.sees ? "" : " blind"}`, "data-focus": `camera ${view.camera}`, onclick: () => look(alert, view) },
        needle(view.bearing_deg, view.sees), h("span", {}, view.name || view.camera), h("span", { class: "far" }, `${Math.round(view.distance_m)} m · ${Math.round(view.bearing_deg)}°`),
        h("span", { class: "why" }, view.reason || say(view.sees ? "sees" : "blind"))));
    }
    if (alert.handover?.length) {
      // It moves: who will have it when. Times are the hub's own.
      parts.push(h("h3", {}, say("handover")), h("ol", { class: "history" }, alert.handover.map((watch) => h("li", {}, h("time", {}, clockText(watch.from)), watch.camera ? watch.name || watch.camera : say("nobody")))));
    }
    const history = (alert.changes ?? []).map((change) => h("li", { class: change.change === "cleared" ? "" : change.level }, h("time", {}, clockText(change.at)), `${say(change.level)} ${changeName(change.change)}${change.who ? ` · ${change.who}` : ""}${change.note ? `: ${change.note}` : ""}`));
    if (history.length) parts.push(h("h3", {}, say("history")), h("ol", { class: "history" }, history));
    if (alert.open && !alert.acknowledged_by) parts.push(acknowledging(alert));
    return h("div", { class: "more" }, parts);
  }

  function acknowledging(alert) {
    let known = "";
    try { known = localStorage.getItem("cityhub.who") ?? ""; } catch { /* asked, then */ }
    const who = h("input", { placeholder: say("who"), "aria-label": say("who"), value: known, maxlength: 100, "data-focus": "who" });
    const note = h("input", { placeholder: say("note"), "aria-label": say("note"), maxlength: 500, "data-focus": "note" });
    const go = async () => {
      if (!who.value.trim()) { who.focus(); return; }
      try { await acknowledge(alert.alert, who.value.trim(), note.value.trim()); troubles.delete(alert.alert); }
      catch (error) { troubles.set(alert.alert, error.message); draw(); }
    };
    for (const field of [who, note]) field.addEventListener("keydown", (event) => { if (event.key === "Enter") go(); });
    const trouble = troubles.get(alert.alert);
    return h("div", { class: "act" }, who, note, h("button", { type: "button", class: "go", onclick: go }, say("acknowledge")), trouble ? h("div", { class: "wrong", role: "alert" }, `${say("failed")} ${trouble}`) : null);
  }

  function look(alert, view) {
    const camera = map.cameras.get(view.camera), place = map.whereIs(alert);
    map.marked = { camera: view.camera };
    if (camera && place) map.flyTo([place, camera.position]);
  }

  const nameOf = (subject) => subject.split("+").map((id) => now.devices.get(id)?.name || id).join(" + ");

  // -------------------------------------------------------------------------------------------------- devices

  const search = h("input", { class: "search", type: "search", oninput: (event) => { now.search = event.target.value.toLowerCase(); draw(); } });
  const detail = h("div", {}), list = h("div", {}), rest = h("div", { class: "none" });
  byId("tab-devices").append(detail, search, list, rest);

  function devices() {
    search.placeholder = say("search");
    search.setAttribute("aria-label", say("search"));
    const device = now.devices.get(now.device);
    keep(detail, device ? [device] : [], () => "detail", (item) => JSON.stringify([item.device, item.received_at, now.metric, now.series?.length, language()]), detailed);
    const wanted = [...now.devices.values()].filter((item) => !now.search || `${item.device} ${item.name} ${item.kind} ${kindName(item.kind)} ${item.area ?? ""}`.toLowerCase().includes(now.search));
    wanted.sort((a, b) => familyOf(a.kind).localeCompare(familyOf(b.kind)) || (a.kind ?? "").localeCompare(b.kind ?? "") || (a.name || a.device).localeCompare(b.name || b.device));
    keep(list, wanted.slice(0, DEVICES_SHOWN), (item) => item.device, (item) => [item.received_at, language(), item.name], (item) => {
      const tells = telling(item.values ?? {});
      const old = !item.received_at || Date.now() + now.skew - Date.parse(item.received_at) > STALE_MS;
      return h("button", { type: "button", class: `device${old ? " old" : ""}`, "data-focus": "device", onclick: () => chooseDevice(item.device), title: item.device },
        h("i", { vars: { "--dot": FAMILIES[familyOf(item.kind)].colour } }), h("span", { class: "name" }, item.name || item.device), h("span", { class: "value" }, tells ? valueText(...tells) : "–"));
    });
    rest.hidden = wanted.length > 0 && wanted.length <= DEVICES_SHOWN;
    rest.textContent = wanted.length ? `${DEVICES_SHOWN} / ${count(wanted.length)} ${say("shown")}` : say("nodevices");
  }

  function detailed(device) {
    const rows = Object.entries(device.values ?? {}).sort(([a], [b]) => a.localeCompare(b)).map(([metric, { value, at }]) =>
      h("tr", { class: "pick", "aria-selected": metric === now.metric, onclick: () => chooseMetric(metric) },
        h("td", {}, h("button", { type: "button", "data-focus": `metric ${metric}`, onclick: (event) => { event.stopPropagation(); chooseMetric(metric); } }, metricName(metric))), h("td", { class: "n" }, valueText(metric, value)), h("td", { class: "n" }, h("span", { "data-since": Date.parse(at) }, agoText(Date.now() + now.skew - Date.parse(at))))));
    return h("section", { id: "detail" },
      h("button", { class: "shut", type: "button", "aria-label": "×", onclick: () => { map.marked = null; chooseDevice(null); } }, "×"),
      h("h3", {}, device.name || device.device),
      h("div", { class: "sub" }, [kindName(device.kind), device.area, device.device].filter(Boolean).join(" · ")),
      device.received_at ? h("div", { class: "sub" }, `${say("adapter")} ${device.adapter} · ${count(device.readings)} ${say("readings")} · ${say("skew")} ${device.skew_s ?? 0} s${device.registered === false ? ` · ${say("unregistered")}` : ""}`) : null,
      now.metric ? drawn() : null,
      h("table", {}, h("tbody", {}, rows)));
  }

  function drawn() {
    const points = now.series;
    if (!points) return h("div", { class: "sub" }, "…");
    if (points.length < 2) return h("div", { class: "sub" }, say("nohistory"));
    const values = points.map((point) => point[1]), unit = unitOf(now.metric);
    return h("div", {}, spark(points), h("div", { class: "axis" }, h("span", {}, clockText(points[0][0])), h("span", {}, `${metricName(now.metric)}: ${valueText("", Math.min(...values))} – ${valueText("", Math.max(...values))} ${unit}`), h("span", {}, clockText(points.at(-1)[0]))));
  }

  // -------------------------------------------------------------------------------------------------- the hub

  function hub() {
    const panel = byId("tab-hub"), status = now.status;
    if (!status || panel.hidden) return;
    const parts = [
      h("div", { class: `box verdict${status.balances ? "" : " bad"}` }, h("div", {}, h("b", {}, `${status.balances ? "✓" : "✗"} ${say(status.balances ? "balances" : "unbalanced")}`), h("div", { class: "nums" }, say("ledgerline")))),
      ...((status.parts ?? []).some((part) => part.state !== "up") ? [h("h2", {}, say("parts"))] : []),
      ...(status.parts ?? []).filter((part) => part.state !== "up").map((part) => h("div", { class: "box" },
        h("div", { class: "top" }, h("b", {}, part.part), h("span", { class: `state ${part.state}` }, stateName(part.state)), h("span", { class: "rate nums" }, clockText(part.since))),
        part.reason ? h("div", { class: "detail" }, part.reason) : null)),
      h("h2", {}, say("adapters")),
      ...(status.adapters ?? []).map((adapter) => {
        const rates = now.rates.get(adapter.name) ?? [], rate = rates.slice(-5).reduce((a, b) => a + b, 0) / Math.max(1, Math.min(5, rates.length));
        const faults = Object.entries(adapter.faults ?? {}).map(([kind, n]) => `${kind} ${count(n)}`).join(", ");
        return h("div", { class: "box" },
          h("div", { class: "top" }, h("b", {}, adapter.name), h("span", { class: `state ${adapter.state}` }, say(adapter.state)), h("span", { class: "rate" }, `${rate.toFixed(1)} ${say("persecond")}`)),
          rates.length > 1 ? bars(rates) : null,
          h("div", { class: "nums" }, [["received", adapter.received], ["logged", adapter.logged], ["duplicate", adapter.duplicate], ["quarantined", adapter.quarantined], ["inflight", adapter.in_flight], ["refused", adapter.refused]].filter(([name, n]) => n || name === "received" || name === "logged").map(([name, n]) => `${say(name)} ${count(n)}`).join(" · ")),
          faults ? h("div", { class: "detail" }, faults) : null,
          adapter.detail ? h("div", { class: "detail" }, adapter.detail) : null);
      }),
      ...(status.maintenance?.length ? [h("h2", {}, say("maintenance"))] : []),
      ...(status.maintenance ?? []).map((work) => h("div", { class: "box maintenance" },
        h("div", { class: "top" }, h("b", {}, work.target), h("span", { class: "state" }, say(work.state)), h("span", { class: "rate nums" }, `${clockText(work.from, DAY)} – ${clockText(work.until, DAY)}${work.every_s ? ` · ${say("again")}` : ""}`)),
        h("div", { class: "detail" }, [work.who, work.note].filter(Boolean).join(": ")))),
      h("h2", {}, say("readers")),
      h("table", {}, h("tbody", {}, (status.readers ?? []).map((reader) => h("tr", {}, h("td", {}, reader.reader, reader.required ? h("span", { class: "nums" }, ` ${say("required")}`) : null), h("td", {}, h("span", { class: `state ${reader.state}` }, stateName(reader.state))), h("td", { class: "n" }, reader.behind ? `${count(reader.behind)} ${say("behind")}` : say("caughtup")))))),
      h("h2", {}, say("log")),
      h("table", {}, h("tbody", {}, Object.entries(status.log ?? {}).map(([name, stream]) => h("tr", {}, h("td", {}, name), h("td", { class: "n" }, `${count(stream.next - stream.first)} ${say("entries")}`), h("td", { class: "n" }, bytesText(stream.bytes)), h("td", {}, stream.refusing ? h("span", { class: "state down" }, String(stream.refusing)) : ""))))),
    ];
    const top = panel.scrollTop;
    panel.replaceChildren(...parts);
    panel.scrollTop = top;
  }

  // -------------------------------------------------------------------------------------------------- quarantine

  function quarantine() {
    const panel = byId("tab-quarantine");
    if (panel.hidden) return;
    const parts = [];
    if (!now.quarantine.length && !now.unknown.length) parts.push({ key: "clean" });
    if (now.unknown.length) parts.push({ key: "unknowns", heading: say("unknowns") }, ...now.unknown.map((knock) => ({ key: `knock ${knock.device}`, knock })));
    if (now.quarantine.length) parts.push({ key: "newest", heading: say("newest") }, ...now.quarantine.map((fault) => ({ key: `fault ${fault.offset}`, fault })));
    keep(panel, parts, (part) => part.key, (part) => [language(), part.knock?.count], ({ knock, fault, heading }) => {
      if (heading) return h("h2", {}, heading);
      if (knock) return h("div", { class: "box" }, h("div", { class: "top" }, h("b", {}, knock.device), h("span", { class: "rate" }, `${count(knock.count)} ${say("times")}`)), h("div", { class: "nums" }, `${knock.adapter} · ${clockText(knock.last_at)}`));
      if (fault) return h("div", { class: "box fault" }, h("div", { class: "top" }, h("b", {}, fault.kind), h("span", { class: "nums" }, [fault.adapter, fault.device].filter(Boolean).join(" · ")), h("span", { class: "rate nums" }, clockText(fault.at))), h("div", { class: "detail" }, fault.detail), h("div", { class: "raw" }, fault.raw_text ?? fault.raw_hex ?? ""));
      return h("div", { class: "none" }, h("b", {}, say("clean")), say("cleanline"));
    });
  }

  return { draw() { warnings(); if (now.tab === "devices") devices(); hub(); quarantine(); } };
}

function bytesText(bytes) {
  for (const [size, name] of /** @type {[number, string][]} */ ([[1 << 30, "GiB"], [1 << 20, "MiB"], [1 << 10, "KiB"]])) if (bytes >= size) return `${(bytes / size).toFixed(1)} ${name}`;
  return `${bytes ?? 0} B`;
}
