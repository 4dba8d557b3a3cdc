// The desk beside the map: devices, the hub and its quarantine, over the same present. Warnings are in cards.js.

import { deviceOf } from "./device.js";
import { bars, h, keep, spoken } from "./parts.js";
import { unknownOf } from "./unknown.js";
import { FAMILIES, clockText, count, familyOf, faultName, foreign, kindName, language, metricName, momentText, partName, rateText, refusalText, say, stateName, telling, told, valueText } from "./words.js";

const DEVICES_SHOWN = 300;
const STALE_MS = 300_000;
const DAY = { month: "short", day: "numeric", second: undefined, hour: "2-digit", minute: "2-digit" };
/** @returns {any} */
const byId = (id) => document.getElementById(id);

export function deskOf({ now, map, source, chooseDevice, chooseMetric, draw, askQuarantine }) {
  // -------------------------------------------------------------------------------------------------- devices

  const search = h("input", { class: "search", type: "search", oninput: (event) => { now.search = event.target.value.toLowerCase(); draw(); } });
  const detail = h("div", {}), list = h("div", {}), rest = h("div", { class: "none" });
  byId("tab-devices").append(detail, search, list, rest);
  const one = deviceOf({ now, map, source, box: detail, chooseDevice, chooseMetric });

  function devices() {
    search.placeholder = say("search");
    search.setAttribute("aria-label", say("search"));
    const device = now.devices.get(now.device);
    one.draw(device);
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

  // -------------------------------------------------------------------------------------------------- the hub

  function hub() {
    const panel = byId("tab-hub"), status = now.status;
    if (!status || panel.hidden) return;
    const parts = [
      h("div", { class: `box verdict${status.balances ? "" : " bad"}` }, h("div", {}, h("b", {}, `${status.balances ? "✓" : "✗"} ${say(status.balances ? "balances" : "unbalanced")}`), h("div", { class: "nums" }, say("ledgerline")))),
      ...((status.parts ?? []).some((part) => part.state !== "up") ? [h("h2", {}, say("parts"))] : []),
      ...(status.parts ?? []).filter((part) => part.state !== "up").map((part) => h("div", { class: "box" },
        h("div", { class: "top" }, h("b", { title: part.part }, partName(part.part)), h("span", { class: `state ${part.state}` }, stateName(part.state)), h("span", { class: "rate nums" }, momentText(part.since))),
        part.reason ? h("div", { class: "detail" }, spoken(told(part, "reason"))) : null)),
      h("h2", {}, say("adapters")),
      ...(status.adapters ?? []).map((adapter) => {
        const rates = now.rates.get(adapter.name) ?? [];
        const faults = Object.entries(adapter.faults ?? {}).map(([kind, n]) => `${faultName(kind)} ${count(n)}`).join(", ");
        return h("div", { class: "box" },
          h("div", { class: "top" }, h("b", {}, adapter.name), h("span", { class: `state ${adapter.state}` }, stateName(adapter.state)), h("span", { class: "rate" }, `${rateText([rates])} ${say("persecond")}`)),
          rates.length > 1 ? bars(rates) : null,
          h("div", { class: "nums" }, counts([["received", adapter.received], ["logged", adapter.logged], ["duplicate", adapter.duplicate], ["quarantined", adapter.quarantined], ["inflight", adapter.in_flight], ["refused", adapter.refused]], ["received", "logged"])),
          faults ? h("div", { class: "detail" }, faults) : null,
          adapter.detail ? h("div", { class: "detail" }, spoken(told(adapter, "detail"))) : null);
      }),
      ...(status.city?.length ? [h("h2", {}, say("allmachines"))] : []),
      ...(status.city ?? []).map((books) => h("div", { class: "box" },
        h("div", { class: "top" }, h("b", {}, books.name)),
        h("div", { class: "nums" }, counts([["logged", books.logged], ["stored", books.stored], ["storerefused", books.store_refused], ["replaced", books.replaced], ["waitingFor", books.waiting], ["quarantined", books.quarantined]], ["logged", "stored"])))),
      ...(status.maintenance?.length ? [h("h2", {}, say("maintenance"))] : []),
      ...(status.maintenance ?? []).map((work) => h("div", { class: "box maintenance" },
        h("div", { class: "top" }, h("b", {}, work.target), h("span", { class: "state" }, say(work.state)), h("span", { class: "rate nums" }, `${clockText(work.from, DAY)} – ${clockText(work.until, DAY)}${work.every_s ? ` · ${say("again")}` : ""}`)),
        h("div", { class: "detail" }, [work.who, work.note].filter(Boolean).join(": ")))),
      ...rulesBox(),
      ...destinationsBox(),
      h("h2", {}, say("readers")),
      h("table", {}, h("tbody", {}, (status.readers ?? []).map((reader) => h("tr", {}, h("td", { title: reader.reader }, partName(reader.reader), reader.required ? h("span", { class: "nums" }, ` ${say("required")}`) : null), h("td", {}, h("span", { class: `state ${reader.state}` }, stateName(reader.state))), h("td", { class: "n" }, reader.behind ? `${count(reader.behind)} ${say("behind")}` : say("caughtup")))))),
      h("h2", {}, say("log")),
      h("table", {}, h("tbody", {}, Object.entries(status.log ?? {}).map(([name, stream]) => h("tr", {}, h("td", { title: name }, say(`stream_${name}`)), h("td", { class: "n" }, `${count(stream.next - stream.first)} ${say("entries")}`), h("td", { class: "n" }, bytesText(stream.bytes)), h("td", {}, stream.refusing ? h("span", { class: "state down" }, spoken(told(stream, "refusing"))) : ""))))),
    ];
    const top = panel.scrollTop;
    panel.replaceChildren(...parts);
    panel.scrollTop = top;
  }

  /** Counts in words; those that are 0 only where they are `always` shown. */
  const counts = (named, always) => named.filter(([name, n]) => n || always.includes(name)).map(([name, n]) => `${say(name)} ${count(n)}`).join(" · ");

  function rulesBox() {
    const rules = [...now.rules.values()], ill = status_ill();
    if (!rules.length) return [];
    return [h("h2", {}, say("rules")), h("details", { class: "box", ...(ill.length ? { open: true } : {}) }, h("summary", {}, `${count(rules.length)} ${say("rules")}${ill.length ? ` · ${count(ill.length)} ${say("ended")}` : ""}`),
      ...ill.map((item) => h("div", { class: "detail state failed" }, `${item.rule}: `, spoken(told(item, "error")))),
      ...rules.map((rule) => h("div", { class: "nums" }, h("b", {}, rule.rule), ` ${rule.levels.map((level) => `${say(level.level)}: ${told(level, "when")}`).join(" · ")}`)))];
  }

  const status_ill = () => now.status?.rules?.ill ?? [];
  const tried = new Map(); // destination → what its last test said
  const read = new Map(); // destination → its dead letters, where somebody has opened them; a sentence where they cannot be had

  function destinationsBox() {
    const found = (now.status?.readers ?? []).filter((reader) => reader.reader.startsWith("delivery/") && reader.stream === "alerts");
    const refused = new Map((now.status?.dead_letters ?? []).map((letters) => [letters.destination, letters]));
    const gone = [...refused.keys()].filter((name) => !found.some((reader) => reader.reader === `delivery/${name}`));
    if (!found.length && !gone.length) return [];
    return [h("h2", {}, say("destinations")), ...found.map((reader) => {
      const name = reader.reader.slice("delivery/".length);
      return h("div", { class: "box" }, h("div", { class: "top" }, h("b", {}, name), h("span", { class: `state ${reader.state}` }, stateName(reader.state)),
        h("button", { type: "button", class: "rate", "data-test": name, onclick: () => test(name) }, say("testsend"))),
        reader.state === "up" || !reader.detail ? null : h("div", { class: "detail" }, spoken(told(reader, "detail"))),
        tried.has(name) ? h("div", { class: "detail", role: "status" }, spoken(tried.get(name))) : null,
        ...lettersOf(refused.get(name)));
    }), ...gone.map((name) => h("div", { class: "box" }, h("div", { class: "top" }, h("b", {}, name), h("span", { class: "state" }, say("takenout"))), ...lettersOf(refused.get(name))))];
  }

  /** What a destination has refused for good: how many and since when, and, once opened, each with the reason. @param {any} letters */
  function lettersOf(letters) {
    if (!letters) return [];
    const name = letters.destination, shown = read.get(name);
    return [h("div", { class: "top letters" }, h("span", { class: "state degraded" }, `${count(letters.count)} ${say("deadletters")}`), h("span", { class: "nums" }, `${say("since")} ${momentText(letters.since)}`),
      h("button", { type: "button", class: "rate", "data-letters": name, "aria-expanded": String(Boolean(shown)), onclick: () => open(name) }, say(shown ? "close" : "readletters")),
      h("button", { type: "button", "data-offer": name, onclick: () => offer(name) }, say("retry"))),
    ...(typeof shown === "string" ? [h("div", { class: "detail", role: "status" }, spoken(shown))] : (shown ?? []).map((letter) => h("div", { class: "detail letter" }, `${momentText(letter.at)} `, h("b", {}, told(letter.change, "title")), " ", spoken(foreign(letter.reason)))))];
  }

  async function open(name) {
    if (!read.delete(name)) await letters(name);
    draw();
  }

  async function letters(name) {
    try { read.set(name, (await source.get("/api/v1/delivery")).dead_letters.filter((letter) => letter.destination === name)); } catch (error) { read.set(name, `${say("failed")} ${refusalText(error)}`); }
  }

  /** Offer a destination what it has refused once more. */
  async function offer(name) {
    try {
      await letters(name);
      const numbers = read.get(name);
      if (typeof numbers === "string") return draw();
      const said = await source.post("/api/v1/delivery/retry", { numbers: numbers.map((letter) => letter.number) });
      tried.set(name, `${say("offered")} ${count(said.offered)} · ${say("nowtaken")} ${count(said.taken)}`);
      await letters(name);
    } catch (error) { tried.set(name, `${say("failed")} ${refusalText(error)}`); }
    draw();
  }

  async function test(name) {
    tried.set(name, "…");
    draw();
    try {
      const said = await source.post("/api/v1/delivery/test", { name, who: now.who?.() || undefined });
      tried.set(name, `${say(said.taken ? "testtaken" : "testfailed")} ${said.detail_zh ? told(said, "detail") : foreign(said.detail)}`);
    } catch (error) { tried.set(name, `${say("failed")} ${refusalText(error)}`); }
    draw();
  }

  // -------------------------------------------------------------------------------------------------- quarantine

  const unknown = unknownOf({ now, map, source, again: () => { draw(); askQuarantine(); } });

  function quarantine() {
    const panel = byId("tab-quarantine");
    if (panel.hidden) return;
    const parts = [];
    if (!now.quarantine.length && !now.unknown.length) parts.push({ key: "clean" });
    if (now.unknown.length) parts.push({ key: "unknowns", heading: say("unknowns") }, ...[...now.unknown].sort((a, b) => Number(!!a.refused) - Number(!!b.refused)).map((knock) => ({ key: `knock ${knock.device}`, knock })));
    if (now.quarantine.length) parts.push({ key: "newest", heading: say("newest") }, ...now.quarantine.map((fault) => ({ key: `fault ${fault.offset}`, fault })));
    keep(panel, parts, (part) => part.key, (part) => [language(), part.knock ? unknown.stamp(part.knock) : ""], ({ knock, fault, heading }) => {
      if (heading) return h("h2", {}, heading);
      if (knock) return unknown.row(knock);
      if (fault) return h("div", { class: "box fault" }, h("div", { class: "top" }, h("b", { title: fault.kind }, faultName(fault.kind)), h("span", { class: "nums" }, [fault.adapter, fault.device].filter(Boolean).join(" · ")), h("span", { class: "rate nums" }, momentText(fault.at))), h("div", { class: "detail" }, told(fault, "meaning")), h("div", { class: "detail engineer", lang: "en" }, fault.detail), h("div", { class: "raw" }, fault.raw_text ?? fault.raw_hex ?? ""), h("div", { class: "act" }, fault.readings ? h("button", { type: "button", "data-retry": fault.offset, onclick: (event) => again(fault.offset, event.target) }, say("retry")) : null,
        h("button", { type: "button", "data-decode": fault.offset, onclick: (event) => decode(fault.offset, event.target) }, say("decode"))));
      return h("div", { class: "none" }, h("b", {}, say("clean")), say("cleanline"));
    });
  }

  /** Offer what an entry kept out once more: its device may be known by now. */
  async function again(offset, button) {
    button.disabled = true;
    try {
      const said = await source.post("/api/v1/quarantine/retry", { offset });
      button.replaceWith(h("span", { class: "nums", role: "status" }, `${say("stored")} ${said.stored} · ${say("refused")} ${said.refused} · ${say("waitingFor")} ${said.waiting}`));
    } catch (error) { button.disabled = false; button.replaceChildren(...spoken(`${say("failed")} ${refusalText(error)}`)); }
  }

  /** What the codec says of an entry's bytes today, below its buttons. */
  async function decode(offset, button) {
    const box = h("div", { class: "decoded", role: "status" });
    try {
      const said = await source.get(`/api/v1/quarantine/decode?offset=${offset}`);
      const readings = said.readings.map((reading) => h("li", {}, `${reading.device ?? ""} ${reading.time ?? reading.observed_at ?? ""} ${Object.entries(reading.values ?? {}).map(([metric, value]) => `${metricName(metric)} ${valueText(metric, value)}`).join(" · ")}`));
      box.append(h("div", { class: "nums" }, `${say("decoded")} ${said.protocol}: ${readings.length ? say("wouldRead") : say("nothingRead")}`), h("ul", {}, readings),
        ...said.faults.map((found) => h("div", { class: "detail" }, `${faultName(found.kind)}: `, h("span", { lang: "en" }, found.detail))),
        h("details", {}, h("summary", {}, say("frameFields")), h("pre", { class: "raw" }, JSON.stringify(said.detail, null, 1))));
    } catch (error) { box.append(...spoken(`${say("failed")} ${refusalText(error)}`)); }
    button.closest(".fault").querySelector(".decoded")?.remove();
    button.parentElement.after(box);
  }

  return { draw() { if (now.tab === "devices") devices(); hub(); quarantine(); } };
}

function bytesText(bytes) {
  for (const [size, name] of /** @type {[number, string][]} */ ([[1 << 30, "GiB"], [1 << 20, "MiB"], [1 << 10, "KiB"]])) if (bytes >= size) return `${(bytes / size).toFixed(1)} ${name}`;
  return `${bytes ?? 0} B`;
}
