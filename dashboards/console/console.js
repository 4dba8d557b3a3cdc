// The operator's console: keeps the present as the hub tells it, and shows it as a map, warnings, devices, the hub and its quarantine.

import { airOf } from "./air.js";
import { CityMap } from "./map.js";
import { Acts, secondsText } from "./acts.js";
import { cardsOf, worstFirst } from "./cards.js";
import { fromLink, noFilter } from "./filters.js";
import { fencesOf } from "./fences.js";
import { fleetOf } from "./fleet.js";
import { members } from "./pairs.js";
import { deskOf } from "./panels.js";
import { h, keep, speaker, spoken } from "./parts.js";
import { alarm, soundState, switchSound, wake } from "./sound.js";
import { Source } from "./source.js";
import { switchTheme, theme } from "./theme.js";
import { trust } from "./trust.js";
import { FAMILIES, agoText, changeName, clockText, count, familyName, kindName, language, metricName, momentText, partName, rateText, refusalText, say, stateName, switchLanguage, telling, told, untilText, useVocabulary, useZone, valueText } from "./words.js";

const LEVELS = ["red", "orange", "yellow", "blue"];
const TABS = ["warnings", "devices", "fleet", "air", "hub", "quarantine"];
const TOAST_MS = 9000;
const RATES_KEPT = 60;
/** @returns {any} */
const byId = (id) => document.getElementById(id);
/** @returns {any[]} */
const all = (selector) => [...document.querySelectorAll(selector)];

const source = new Source();
const now = { city: null, devices: new Map(), open: new Map(), closed: [], status: null, rates: new Map(), quarantine: [], unknown: [], chosen: null, device: null, metric: null, range: 1800, search: "", filter: noFilter(), rules: new Map(), tab: "warnings", link: "lost", heardAt: 0, skew: 0 };

const map = new CityMap(byId("map"), {
  onPick(found) {
    if (found?.alert) chooseAlert(found.alert.alert);
    else if (found?.device) chooseDevice(found.device.device);
    else if (found?.camera) { map.marked = { camera: found.camera.camera }; }
    else { map.marked = null; now.device = null; chooseAlert(null); }
  },
  onHover: tip,
  covered: () => ["legend", "tools", "scale", "toasts"].map((id) => byId(id)).filter((box) => box.offsetWidth).map((box) => [box.offsetLeft, box.offsetTop, box.offsetLeft + box.offsetWidth, box.offsetTop + box.offsetHeight]),
  onView(metresPerPixel) {
    const wide = [1, 2, 5].flatMap((n) => [1, 10, 100, 1e3, 1e4, 1e5].map((size) => n * size)).sort((a, b) => a - b).filter((size) => size / metresPerPixel < 140).at(-1) ?? 1;
    const scale = byId("scale");
    scale.style.width = `${Math.round(wide / metresPerPixel)}px`;
    scale.textContent = wide >= 1000 ? `${wide / 1000} km` : `${wide} m`;
  },
});
// No warning hides behind the legend: it fades where one lies under it.
map.onMarks = (marks) => {
  const box = byId("legend"), [left, top, right, bottom] = [box.offsetLeft, box.offsetTop, box.offsetLeft + box.offsetWidth, box.offsetTop + box.offsetHeight];
  box.classList.toggle("aside", marks.some((mark) => mark[0] < right && mark[2] > left && mark[1] < bottom && mark[3] > top));
};
const acts = new Acts({ source, done: () => askAlerts(), draw });
const cards = cardsOf({ now, map, acts, source, chooseAlert, draw });
now.who = () => acts.who();
const desk = deskOf({ now, map, source, chooseDevice, chooseMetric, draw, askQuarantine });
const fences = fencesOf({ map, source, box: byId("fences"), drawn: async () => { now.city = await source.get("/api/v1/city?devices=silent"); map.setCity(now.city); }, opened: (open) => document.querySelector("[data-do=zones]").setAttribute("aria-pressed", String(open)) });
const air = airOf({ now, source, panel: byId("tab-air"), chooseDevice });
const fleet = fleetOf({ now, source, panel: byId("tab-fleet"), chooseDevice });

// ---------------------------------------------------------------------------------------------------- choosing

function chooseAlert(id) {
  now.chosen = now.chosen === id ? null : id;
  const alert = now.open.get(now.chosen) ?? now.closed.find((item) => item.alert === now.chosen) ?? null;
  map.chosen = alert;
  if (alert) {
    showTab("warnings");
    const place = map.whereIs(alert);
    const eyes = (alert.cameras ?? []).filter((view) => view.sees).map((view) => map.cameras.get(view.camera)?.position).filter(Boolean);
    if (place) map.flyTo([place, ...eyes]);
  }
  draw();
  if (alert) document.querySelector(".card.chosen")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function chooseDevice(id) {
  if (now.device === id && now.tab === "devices") return;
  now.device = id;
  const device = now.devices.get(id);
  map.marked = id ? { device: id } : null;
  if (!device) { draw(); return; }
  showTab("devices");
  byId("tab-devices").scrollTop = 0;
  if (device.position && !map.shows(device.position)) map.flyTo([device.position]);
  chooseMetric(telling(device.values ?? {})?.[0] ?? null);
}

function chooseMetric(metric) {
  now.metric = metric;
  draw();
}

function showTab(tab) {
  if (now.tab === tab) return;
  now.tab = tab;
  if (tab === "quarantine") askQuarantine();
  draw();
}

// ---------------------------------------------------------------------------------------------------- hearing

function hear(event, data) {
  if (event === "devices") for (const device of data.devices ?? []) takeDevice(device);
  else if (event === "status") takeStatus(data);
  else if (event === "alerts") takeAlerts(data);
  else if (event === "change") takeChange(data);
  else if (event === "again" || event === "notes") { askAlerts().catch(() => {}); cards.handover.ask(); }
  drawSoon();
}

function takeDevice(device) {
  const known = now.devices.get(device.device);
  // Ten thousand come at once when the page opens, and of those nothing is known yet: nothing is copied then.
  const whole = known ? { ...known, ...device, position: device.position ?? known.position, values: { ...known.values, ...device.values } } : device;
  now.devices.set(device.device, whole);
  map.setDevice(whole, Date.now());
}

function takeStatus(status) {
  now.heardAt = Date.now();
  const before = now.status;
  now.skew = Date.parse(status.at) - Date.now();
  const seconds = before ? (Date.parse(status.at) - Date.parse(before.at)) / 1000 : 0;
  if (seconds > 0.2) for (const adapter of status.adapters ?? []) {
    const last = before.adapters?.find((item) => item.name === adapter.name);
    if (!last) continue;
    const rates = now.rates.get(adapter.name) ?? [];
    rates.push(Math.max(0, adapter.received - last.received) / seconds);
    if (rates.length > RATES_KEPT) rates.shift();
    now.rates.set(adapter.name, rates);
  }
  if (seconds > 0.2 || !before) now.status = status;
  if (now.tab === "quarantine" && quarantinedIn(status) !== quarantinedIn(before)) askQuarantine();
}

const quarantinedIn = (status) => status?.log?.quarantine?.next ?? 0;

function takeAlerts(data) {
  const named = (alerts) => (alerts ?? []).map((alert) => ({ ...alert, title: titleOf(alert, alert.title), title_zh: alert.title_zh ? titleOf(alert, alert.title_zh) : "" }));
  now.open = new Map(named(data.open).map((alert) => [alert.alert, alert]));
  now.closed = named(data.closed);
  map.alerts = [...now.open.values()];
  map.changed = true;
  map.chosen = now.open.get(now.chosen) ?? now.closed.find((item) => item.alert === now.chosen) ?? null;
}

function takeChange(change) {
  const sign = { raised: "▲", escalated: "▲", lowered: "▼", cleared: "✓", acknowledged: "✓", called: "☎" }[change.change] ?? "•";
  const toast = h("div", { class: `toast ${change.change === "cleared" ? "" : change.level}` },
    h("b", {}, `${sign} ${say(change.level)} · ${changeName(change.change)}`), titleOf(change, told(change, "title")));
  byId("toasts").append(toast);
  while (byId("toasts").children.length > 4) byId("toasts").firstChild.remove();
  setTimeout(() => toast.remove(), TOAST_MS);
  if (change.level === "red" && (change.change === "raised" || change.change === "escalated")) alarm(titleOf(change, told(change, "title")));
  askAlerts().catch(() => {});
}

/** A title of the warning, with names where it has only ids (vessels bring theirs by radio). */
function titleOf(alert, title) {
  return members(alert.subject, now.devices).reduce((said, id) => said.replaceAll(id, now.devices.get(id)?.name || id), title || alert.subject);
}

let asking = null;
function askAlerts() {
  asking ??= source.get("/api/v1/alerts").then(takeAlerts).finally(() => { asking = null; drawSoon(); });
  return asking;
}

async function askQuarantine() {
  try {
    const [kept, unknown] = await Promise.all([source.get("/api/v1/quarantine?limit=50"), source.get("/api/v1/unknown")]);
    now.quarantine = kept.entries ?? [];
    now.unknown = unknown.devices ?? [];
    drawSoon();
  } catch { /* the link shows it */ }
}

// ---------------------------------------------------------------------------------------------------- showing

const hubTime = () => Date.now() + now.skew;
let drawing = 0;
function drawSoon() { drawing ||= requestAnimationFrame(draw); }

function draw() {
  drawing = 0;
  const open = [...now.open.values()];
  const before = now.trust?.state;
  now.trust = trust(now);
  if (now.trust.state === "lost" && before && before !== "lost") alarm(say("alarmLost"));
  const lost = now.trust.state === "lost";
  byId("levels").replaceChildren(...LEVELS.map((level) => {
    const here = open.filter((alert) => alert.level === level).length;
    return h("span", { class: `pill ${level}${here ? " some" : ""}` }, `${say(level)} ${lost ? "?" : here}`);
  }));
  warn();
  if (lost) now.rates.clear();
  byId("flow").replaceChildren(...lost ? [] : [h("b", {}, rateText(now.rates.values())), ` ${say("rate")}${say("persecond")} · `, h("b", {}, count(now.devices.size)), ` ${say("devices")}`]);
  const link = byId("link");
  link.className = lost ? "lost" : now.link;
  link.textContent = say(link.className);
  const trouble = { lost: `⚠ ${say("titleLost")} · `, ill: `⚠ ${say("titleIll")} · ` }[now.trust.state] ?? "";
  document.title = `${trouble}${open.length ? `(${open.length}) ` : ""}${now.city?.name ?? "cityhub"} · cityhub`;
  drawTabs(open);
  cards.draw();
  desk.draw();
  fleet.draw();
  air.draw();
}

/** The banner: that the hub is not heard, or what of it is not well. */
function warn() {
  const { state, parts } = now.trust, box = byId("alarm");
  document.body.classList.toggle("lost", state === "lost");
  box.hidden = state === "well";
  box.className = state;
  const lines = state === "lost"
    ? [say(now.heardAt ? "alarmLost" : "alarmNever"), now.heardAt ? `${say("alarmSince")} ${momentText(now.heardAt + now.skew)}${say("stop")}${say("alarmMissing")}` : ""]
    : [say("alarmIll"), parts.map((part) => `${partName(part.part)}: ${stateName(part.state)} (${momentText(part.since)})${part.reason ? `, ${told(part, "reason")}` : ""}`).join(" · ")];
  const stamp = lines.join("\n");
  if (box.dataset.stamp === stamp) return; // spoken once, not at every drawing
  box.dataset.stamp = stamp;
  box.replaceChildren(lines[0], h("small", {}, spoken(lines[1])));
}

function drawTabs(open) {
  const refused = (now.status?.dead_letters ?? []).reduce((sum, letters) => sum + letters.count, 0);
  const counts = { warnings: open.length, hub: refused, quarantine: quarantinedIn(now.status) - (now.status?.log?.quarantine?.first ?? 0) };
  keep(byId("tabs"), TABS, (tab) => tab, (tab) => [tab === now.tab, counts[tab], language(), open.some((alert) => !alert.acknowledged_by)], (tab) =>
    h("button", { type: "button", role: "tab", id: `for-${tab}`, "aria-selected": tab === now.tab, "aria-controls": `tab-${tab}`, tabindex: tab === now.tab ? 0 : -1, "data-focus": tab, onclick: () => showTab(tab), onkeydown: (event) => turnTab(event, tab) },
      say(tab), counts[tab] ? h("span", { class: `count${tab === "warnings" && open.some((alert) => !alert.acknowledged_by) ? " hot" : ""}` }, count(counts[tab])) : null));
  for (const tab of TABS) { const panel = byId(`tab-${tab}`); panel.hidden = tab !== now.tab; panel.setAttribute("aria-labelledby", `for-${tab}`); }
}

function turnTab(event, tab) {
  const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!way) return;
  const next = TABS[(TABS.indexOf(tab) + way + TABS.length) % TABS.length];
  showTab(next);
  byId(`for-${next}`)?.focus();
}

function tip(found, at) {
  const box = byId("tip");
  box.hidden = !found;
  if (!found) return;
  const { alert, device, camera } = found;
  if (alert) box.replaceChildren(h("b", {}, told(alert, "title")), h("span", {}, `${say(alert.level)} · ${momentText(alert.raised_at, now.skew)}`));
  else if (device) {
    const tells = telling(device.values ?? {});
    box.replaceChildren(h("b", {}, device.name || device.device), h("span", {}, `${kindName(device.kind)}${tells ? ` · ${metricName(tells[0])} ${valueText(...tells)}` : ""}${device.received_at ? ` · ${agoText(hubTime() - Date.parse(device.received_at))}` : ""}`));
  } else box.replaceChildren(h("b", {}, camera.name || camera.camera), h("span", {}, `${say("camera")}${camera.ptz ? " · PTZ" : camera.azimuth_deg == null ? "" : ` · ${camera.azimuth_deg}°`} · ${Math.round(camera.range_m)} m`));
  const stage = byId("stage");
  box.style.left = `${Math.min(at[0] + 14, stage.clientWidth - box.offsetWidth - 8)}px`;
  box.style.top = `${Math.min(at[1] + 14, stage.clientHeight - box.offsetHeight - 8)}px`;
}

function drawSound() {
  const button = byId("sound"), state = soundState();
  button.replaceChildren(speaker(state));
  button.className = state;
  button.setAttribute("aria-pressed", String(state === "on"));
  button.title = say(`sound_${state}`);
  button.setAttribute("aria-label", button.title);
}

function speak() {
  document.documentElement.lang = language();
  for (const part of all("[data-text]")) part.textContent = say(part.dataset.text);
  for (const part of all("[data-title]")) { part.title = say(part.dataset.title); part.setAttribute("aria-label", say(part.dataset.title)); }
  for (const part of all("[data-label]")) part.setAttribute("aria-label", say(part.dataset.label));
  byId("language").textContent = say("language");
  byId("language").title = say("languageTitle");
  byId("language").lang = language() === "en" ? "zh-CN" : "en"; // it speaks to whoever reads the other
  byId("keys").setAttribute("aria-label", say("keys"));
  byId("keys").title = say("keys");
  drawSound();
  fences.speak();
  byId("theme").title = say(theme() === "dark" ? "toLight" : "toDark");
  byId("theme").setAttribute("aria-label", byId("theme").title);
  byId("legend").replaceChildren(...Object.entries(FAMILIES).filter(([name]) => name !== "other").map(([name, family]) => h("span", {}, h("i", { vars: { "--dot": family.colour } }), familyName(name))), h("span", {}, h("i", { vars: { "--dot": "#6d8aa3" } }), say("camera")));
  draw();
}

byId("sound").addEventListener("click", async () => { await switchSound(); drawSound(); });
addEventListener("pointerdown", () => { wake().then(drawSound); });
byId("keys").addEventListener("click", showKeys);
byId("theme").addEventListener("click", () => { switchTheme(); map.changed = true; speak(); });
byId("language").addEventListener("click", () => { switchLanguage(); map.changed = true; speak(); });
byId("tools").addEventListener("click", (/** @type {any} */ event) => {
  const button = event.target.closest("button");
  const what = button?.dataset.do;
  if (what === "in") map.zoom(1.6);
  else if (what === "out") map.zoom(1 / 1.6);
  else if (what === "fit") map.fit();
  else if (what === "zones") fences.toggle();
  else if (what === "sectors" || what === "labels") {
    const name = what === "sectors" ? "showSectors" : "showLabels";
    map[name] = !map[name];
    button.setAttribute("aria-pressed", String(map[name]));
  }
});
setInterval(() => {
  if (trust(now).state !== now.trust?.state) draw();
  byId("clock").textContent = clockText(hubTime(), { timeZoneName: "short" });
  for (const part of all("[data-due]")) part.textContent = secondsText(Number(part.dataset.due));
  for (const part of all("[data-until]")) part.textContent = untilText(Number(part.dataset.until) - hubTime());
  for (const part of all("[data-since]")) part.textContent = agoText(hubTime() - Number(part.dataset.since));
}, 1000);

// ---------------------------------------------------------------------------------------------------- beginning

/** Who are you: name and password where the hub has users, else a token. Ends when the hub knows. */
async function askWho() {
  let session = null;
  try { session = await source.whoAmI(); } catch { /* a token that is none any more */ source.useToken(""); }
  return new Promise((given) => {
    const door = byId("door"), told = h("p", { class: "told", role: "alert" });
    const byName = session?.password ?? false;
    const user = h("input", { type: "text", name: "user", autocomplete: "username", "aria-label": say("user"), placeholder: say("user") });
    const field = h("input", { type: "password", name: "password", autocomplete: byName ? "current-password" : "off", "aria-label": say(byName ? "password" : "token"), placeholder: byName ? say("password") : "" });
    const enter = async () => {
      try {
        if (byName && user.value.trim()) await source.logIn(user.value.trim(), field.value);
        else source.useToken(field.value.trim());
        door.close();
        given();
      } catch (error) { field.value = ""; told.replaceChildren(...spoken(refusalText(error))); }
    };
    for (const input of [user, field]) input.addEventListener("keydown", (event) => { if (event.key === "Enter") enter(); });
    // The identity provider sends the browser back to this page, which then finds its session.
    const elsewhere = session?.provider ? [h("a", { class: "go", href: "/oidc/login" }, `${say("loginAt")} ${session.provider}`)] : [];
    door.replaceChildren(h("p", {}, say(byName || session?.provider ? "login" : "token")), ...elsewhere, ...(byName ? [user] : []), field, h("button", { type: "button", class: "go", onclick: enter }, say("enter")), told);
    door.showModal();
  });
}

function showWho() {
  const button = byId("leave"), who = source.session?.kind === "user" ? source.session : null;
  button.hidden = !who;
  button.textContent = who ? `${who.name || who.user} · ${say("logout")}` : "";
}
byId("leave").addEventListener("click", async () => {
  let further = null;
  try { further = await source.logOut(); } finally { if (further) location.assign(further); else location.reload(); }
});

// ---------------------------------------------------------------------------------------------------- keys

const KEYS = [["j n", "key_next"], ["k p", "key_before"], ["a", "acknowledge"], ["s", "key_shelve"], ["m", "key_work"], ["c", "comment"], ["f", "falseAlarm"], ["h", "handoverWrite"], ["u", "undo"], ["Esc", "key_close"], ["1 – 6", "key_tabs"], ["?", "keys"]];

/** The open warning after the chosen one, or before it. */
function step(way) {
  const open = [...now.open.values()].sort(worstFirst), at = open.findIndex((alert) => alert.alert === now.chosen);
  const next = open[at < 0 ? (way > 0 ? 0 : open.length - 1) : Math.max(0, Math.min(open.length - 1, at + way))];
  if (next && next.alert !== now.chosen) chooseAlert(next.alert);
}

function showKeys() {
  const door = byId("door");
  door.replaceChildren(h("h2", {}, say("keys")), h("table", {}, h("tbody", {}, KEYS.map(([key, what]) => h("tr", {}, h("td", {}, h("kbd", {}, key)), h("td", {}, say(what)))))), h("button", { type: "button", class: "go", onclick: () => door.close() }, say("close")));
  door.showModal();
}

/** A key presses the button that a mouse would press. */
const press = (kind) => document.querySelector(`.card.chosen [data-act="${kind}"]`)?.dispatchEvent(new MouseEvent("click"));

addEventListener("keydown", (/** @type {any} */ event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea, dialog")) return;
  const tab = TABS[Number(event.key) - 1];
  if (event.key === "j" || event.key === "n") step(1);
  else if (event.key === "k" || event.key === "p") step(-1);
  else if (event.key === "a") press("acknowledge");
  else if (event.key === "s") press("shelve");
  else if (event.key === "m") press("maintenance");
  else if (event.key === "c") press("comment");
  else if (event.key === "f") (press("false-alarm") ?? press("no-false-alarm"));
  else if (event.key === "h") { showTab("warnings"); cards.handover.write(); }
  else if (event.key === "u") acts.undo();
  else if (event.key === "Escape") chooseAlert(null);
  else if (event.key === "?") showKeys();
  else if (tab) showTab(tab);
  else return;
  event.preventDefault();
});

/** Links into the page: #alert=ID (as other systems may send them), #device=ID, #filter=…, or the name of a tab. */
function followLink() {
  const [what, id] = location.hash.slice(1).split(/=(.*)/s).map(decodeURIComponent);
  if (what === "alert" && now.chosen !== id) chooseAlert(id);
  else if (what === "device") chooseDevice(id);
  else if (what === "filter") { now.filter = fromLink(id ?? ""); showTab("warnings"); draw(); }
  else if (TABS.includes(what)) showTab(what);
}
addEventListener("hashchange", followLink);

async function begin() {
  speak();
  for (;;) {
    try {
      // All at once, and the warnings first: ten thousand devices take the hub longest.
      const coming = source.get("/api/v1/devices");
      coming.catch(() => {}); // the others tell of the same trouble
      const [city, alerts, status] = await Promise.all([...["city?devices=silent", "alerts", "status"].map((what) => source.get(`/api/v1/${what}`)), source.whoAmI().catch(() => {})]);
      showWho();
      now.city = city;
      byId("city").replaceChildren(now.city.name, " ", h("small", {}, `cityhub ${now.city.version ?? ""}`));
      useZone(now.city.timezone);
      map.setCity(now.city);
      for (const device of now.city.devices ?? []) takeDevice({ ...device, values: {} });
      hear("alerts", alerts);
      hear("status", status);
      hear("devices", await coming);
      hear("alerts", alerts); // once more: vessels bring their names
      cards.handover.ask();
      source.get("/api/v1/rules").then((book) => { now.rules = new Map(book.rules.map((rule) => [rule.rule, rule])); drawSoon(); }).catch(() => {}); // figures and limits; cards stand without them
      source.get("/api/v1/vocabulary").then((words) => { useVocabulary(words.metrics); drawSoon(); }).catch(() => {}); // short names stand without it
      followLink();
      await source.follow(hear, (state) => { if (now.link !== state) { now.link = state; drawSoon(); } });
    } catch (error) {
      now.link = "lost";
      draw();
      if (error.status === 401 || error.status === 403) await askWho();
      else await new Promise((wake) => setTimeout(wake, 2500));
    }
  }
}

begin();
