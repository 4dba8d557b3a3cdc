// What one shift leaves to the next: shown above the warnings until somebody has read it.

import { h, spoken } from "./parts.js";
import { language, momentText, refusalText, say } from "./words.js";

const SHOWN = 20;

export function handoverOf({ now, acts, source }) {
  const box = h("div", { id: "handover" });
  let notes = [], trouble = null, stamp = "";
  const who = h("input", { maxlength: 100, autocomplete: "name", "data-focus": "handover who" });
  const text = h("textarea", { rows: 3, maxlength: 4000, "data-focus": "handover text" });
  const send = h("button", { type: "button", class: "go", "data-focus": "handover send", onclick: () => leave() });
  const title = h("summary", {}), wrong = h("div", { class: "wrong", role: "alert" }), earlier = h("ol", { class: "history" }), unread = h("div", {});
  const writing = /** @type {any} */ (h("details", { class: "box" }, title, h("div", { class: "act" }, who, text, send), earlier));
  box.append(unread, writing, wrong);
  /** @type {any} */ (who).value = acts.who();

  async function ask() {
    try { notes = (await source.get(`/api/v1/notes?kind=handover&limit=${SHOWN}`)).notes; } catch { return; /* the link shows it */ }
    draw();
  }

  async function post(path, body) {
    try { await source.post(path, body); trouble = null; } catch (error) { trouble = error; }
    stamp = "";
    await ask();
    draw();
    return !trouble;
  }

  async function leave() {
    const fields = /** @type {any[]} */ ([who, text]), empty = fields.find((field) => !field.value.trim());
    if (empty) { empty.focus(); return; }
    acts.remember(fields[0].value.trim());
    if (await post("/api/v1/handover", { who: fields[0].value.trim(), note: fields[1].value.trim() })) { fields[1].value = ""; writing.open = false; }
  }

  const taken = (number) => post("/api/v1/handover/read", { number, who: acts.who() || undefined });
  const line = (note) => [h("b", {}, note.who), h("time", {}, momentText(note.at, now.skew))];

  function draw() {
    const mark = JSON.stringify([language(), notes, trouble?.message, source.session?.limited]);
    if (mark === stamp) return;
    stamp = mark;
    /** @type {any} */ (box).hidden = source.session?.limited ?? false; // what one part of the city is told may speak of others
    title.textContent = say("handoverWrite");
    for (const [field, name] of /** @type {[any, string][]} */ ([[who, "who"], [text, "handoverText"]])) { field.placeholder = say(name); field.setAttribute("aria-label", say(name)); }
    send.textContent = say("handoverLeave");
    wrong.replaceChildren(...spoken(trouble ? `${say("failed")} ${refusalText(trouble)}` : ""));
    unread.replaceChildren(...notes.filter((note) => !note.read_by).map((note) => h("div", { class: "box handover", role: "note" },
      h("div", { class: "top" }, h("span", {}, say("handoverLeft")), line(note)), h("p", { class: "lines" }, note.note),
      h("button", { type: "button", "data-taken": note.number, "data-focus": `taken ${note.number}`, onclick: () => taken(note.number) }, say("handoverRead")))));
    earlier.replaceChildren(...notes.filter((note) => note.read_by).map((note) => h("li", {}, line(note), h("span", { class: "lines" }, note.note), h("span", { class: "sub" }, ` ✓ ${note.read_by} ${momentText(note.read_at, now.skew)}`))));
  }

  return { box, ask, draw, write() { writing.open = true; /** @type {any} */ (text).focus(); } };
}
