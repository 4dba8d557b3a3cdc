// The hub's API as the console uses it: one JSON fetch, one live stream (server-sent events read by fetch, so that a token
// can travel in a header), and polling where the stream does not come through.

const POLL_MS = 3000;
const STREAM_SILENT_MS = 15000;

export class Refused extends Error {
  constructor(status, text, zh = "") { super(text); this.status = status; this.zh = zh; }
}

export class Source {
  constructor() {
    try { this.token = sessionStorage.getItem("cityhub.token") ?? ""; } catch { this.token = ""; }
    this.place = ""; // where the stream goes on behind the list of devices that was heard last
    this.session = null; // who is logged in, by the cookie, which this page cannot read
  }

  /** Who asks, as the hub sees it; it brings the word that every act of a log-in must carry. */
  async whoAmI() {
    this.session = await this.get("/api/v1/session");
    return this.session;
  }

  async logIn(user, password) {
    this.useToken("");
    this.session = await this.post("/api/v1/login", { user, password });
  }

  /** The address at which the log-in ends at the identity provider too, null where there is none. */
  async logOut() {
    try { return (await this.post("/api/v1/logout", {})).provider; } finally { this.useToken(""); this.session = null; }
  }

  useToken(token) {
    this.token = token;
    try { sessionStorage.setItem("cityhub.token", token); } catch { /* lives as long as this page, then */ }
  }

  headers(more = {}) {
    // The page itself chooses between the languages that a record holds: what it asks for is the record as it is.
    more = { "accept-language": "en", ...more };
    return this.token ? { authorization: `Bearer ${this.token}`, ...more } : more;
  }

  async get(path, signal) {
    const early = /** @type {any} */ (globalThis).cityhubEarly, asked = early?.get(path); // see early.js
    early?.delete(path);
    const answer = await (asked ?? fetch(path, { headers: this.headers(), cache: "no-cache", signal }));
    this.place = answer.headers.get("last-event-id") ?? this.place;
    return this.#json(answer);
  }

  /** Something that is no JSON: a picture. */
  async blob(path) {
    const answer = await fetch(path, { headers: this.headers(), cache: "no-store" });
    return answer.ok ? answer.blob() : this.#json(answer);
  }

  /** `leaving`: the page is going; the request outlives it. */
  async post(path, body, leaving = false) {
    const headers = this.headers({ "content-type": "application/json", ...(this.session?.csrf ? { "x-csrf-token": this.session.csrf } : {}) });
    return this.#json(await fetch(path, { method: "POST", headers, body: JSON.stringify(body), keepalive: leaving }));
  }

  async #json(answer) {
    if (answer.ok) return answer.json();
    let text = `${answer.status} ${answer.statusText}`, zh = "";
    try { const body = await answer.json(); text = body.error ?? body.detail ?? text; zh = body.detail_zh ?? ""; } catch { /* the status must do */ }
    throw new Refused(answer.status, String(text), String(zh));
  }

  /** Calls `on(event, data)` for every event, `linked(state)` with "live", "polling" or "lost"; never ends. */
  async follow(on, linked) {
    let failures = 0;
    for (;;) {
      try {
        if (failures < 3) {
          await this.#stream((event, data) => { failures = 0; linked("live"); on(event, data); });
        } else {
          failures = 1; // after these rounds the stream gets one more chance before it is "lost"
          await this.#poll(on, linked);
        }
      } catch (error) {
        if (error.status === 401) { linked("lost"); throw error; }
        failures += error.status >= 400 && error.status < 500 ? 3 : 1; // no stream here: ask instead
        if (failures < 3) linked("lost");
      }
      const pause = failures < 3 ? 500 * 2 ** failures : 100;
      await new Promise((wake) => setTimeout(wake, pause * (0.5 + Math.random() / 2)));
      on("again", null);
    }
  }

  async #stream(on) {
    const quiet = new AbortController();
    let timer = setTimeout(() => quiet.abort(), STREAM_SILENT_MS);
    try {
      const behind = this.place ? { "last-event-id": this.place } : {};
      this.place = "";
      const answer = await fetch("/api/v1/stream", { headers: this.headers({ accept: "text/event-stream", ...behind }), cache: "no-store", signal: quiet.signal });
      if (!answer.ok || !answer.body) throw new Refused(answer.status, answer.statusText);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let buffer = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), STREAM_SILENT_MS);
        buffer += value.replaceAll("\r", "");
        let end;
        while ((end = buffer.indexOf("\n\n")) >= 0) {
          const block = buffer.slice(0, end);
          buffer = buffer.slice(end + 2);
          let event = "message";
          const data = [];
          for (const line of block.split("\n")) {
            if (line.startsWith("event:")) event = line.slice(6).trim();
            else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
          }
          if (data.length) on(event, JSON.parse(data.join("\n")));
        }
      }
    } finally {
      clearTimeout(timer);
      quiet.abort();
    }
  }

  /** Ten rounds of plain questions, then the stream gets another chance. Throws when the hub does not answer. */
  async #poll(on, linked) {
    for (let round = 0; round < 10; round += 1) {
      const [devices, alerts, status] = await Promise.all(["devices", "alerts", "status"].map((what) => this.get(`/api/v1/${what}`)));
      linked("polling");
      on("devices", devices);
      on("alerts", alerts);
      on("status", status);
      await new Promise((wake) => setTimeout(wake, POLL_MS));
    }
  }
}
