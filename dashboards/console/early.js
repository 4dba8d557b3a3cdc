// What the page shows first, asked for before its modules are here: they are some thirty files, and the list of ten thousand devices takes the hub as long. No module
// itself, so that it waits for none. `Source.get` takes each answer once.

{
  let token = "";
  try { token = sessionStorage.getItem("cityhub.token") ?? ""; } catch { /* private window */ }
  const headers = { "accept-language": "en", ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const asked = ["devices", "city?devices=silent", "alerts", "session"].map((what) => `/api/v1/${what}`);
  const early = new Map(asked.map((path) => [path, fetch(path, { headers, cache: "no-cache" })]));
  for (const answer of early.values()) answer.catch(() => {}); // whoever takes it hears of it
  /** @type {any} */ (globalThis).cityhubEarly = early;
}
