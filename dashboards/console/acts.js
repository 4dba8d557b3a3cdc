// What an operator does: it waits ten seconds, in which it can be undone, then it goes to the hub. Until the hub has it, the page says that it has not.

import { h } from "./parts.js";
import { language, say } from "./words.js";

export const UNDO_MS = 10_000;
/** What is written about a warning and changes nothing of it. */
const NOTES = ["comment", "false-alarm", "no-false-alarm"];

export class Acts {
  /** `done()`: called after the hub has taken one; `draw()`: whenever something changed. */
  constructor({ source, done, draw, undo_ms = UNDO_MS }) {
    this.waiting = new Map(); // alert → what was begun and has not gone
    this.drafts = new Map(); // alert → what is being written in its card
    this.troubles = new Map(); // alert → why the last one failed
    this.source = source; this.done = done; this.draw = draw; this.undo_ms = undo_ms;
    // Whoever closes the page meant it.
    addEventListener("pagehide", () => { for (const act of this.waiting.values()) this.#send(act, true); });
  }

  who() {
    try { return localStorage.getItem("cityhub.who") ?? ""; } catch { return ""; }
  }

  remember(who) {
    try { localStorage.setItem("cityhub.who", who); } catch { /* asked again, then */ }
  }

  draft(id) { return this.drafts.get(id) ?? {}; }
  keep(id, part) { this.drafts.set(id, { ...this.draft(id), ...part }); }

  /** `kind`: acknowledge, shelve, unshelve, maintenance, comment, false-alarm, no-false-alarm. */
  begin(alert, kind, body) {
    this.remember(body.who);
    const before = this.waiting.get(alert.alert);
    if (before) { clearTimeout(before.timer); this.#send(before); }
    this.troubles.delete(alert.alert);
    this.drafts.delete(alert.alert);
    const act = { alert: alert.alert, kind, body, due: Date.now() + this.undo_ms, timer: 0 };
    act.timer = setTimeout(() => this.#send(act), this.undo_ms);
    this.waiting.set(alert.alert, act);
    this.draw();
  }

  /** Takes the last one back; whether there was one. */
  undo(id = [...this.waiting.keys()].at(-1)) {
    const act = this.waiting.get(id);
    if (!act) return false;
    clearTimeout(act.timer);
    this.waiting.delete(id);
    this.drafts.set(id, { who: act.body.who, note: act.body.note }); // what was written is not lost with it
    this.draw();
    return true;
  }

  trouble(id) { return this.troubles.get(id); }
  stamp(id) { const act = this.waiting.get(id); return [act?.kind, act?.due, this.troubles.get(id)?.message, language()]; }

  /** A line in the card while an act waits. */
  pending(id) {
    const act = this.waiting.get(id);
    if (!act) return null;
    return h("div", { class: "pending", role: "status" }, h("span", {}, `${say(`will_${act.kind}`)} `, h("b", { "data-due": act.due }, secondsText(act.due))),
      h("button", { type: "button", "data-focus": "undo", onclick: () => this.undo(id) }, say("undo")));
  }

  async #send(act, leaving = false) {
    this.waiting.delete(act.alert);
    const noted = NOTES.includes(act.kind);
    const path = act.kind === "maintenance" ? "/api/v1/maintenance" : `/api/v1/alerts/${encodeURIComponent(act.alert).replaceAll("%2F", "/")}/${noted ? "note" : act.kind}`;
    try {
      await this.source.post(path, noted ? { ...act.body, kind: act.kind } : act.body, leaving);
      await this.done();
    } catch (error) { this.troubles.set(act.alert, error); }
    this.draw();
  }
}

export const secondsText = (due) => `${Math.max(0, Math.ceil((due - Date.now()) / 1000))} ${say("ago_s")}`;
