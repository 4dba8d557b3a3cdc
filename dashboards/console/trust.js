// Whether what the page shows may be believed: is the hub heard, and is it well?

export const SILENT_MS = 10_000; // the stream speaks every second, polling every three

const SOURCES = ["adapter/"], NEEDED = ["rule/", "role/"];
const ILL = new Set(["degraded", "down", "failed"]);

/**
 * "well", or why not: "lost" (nothing heard lately, or never), "ill" (parts that warnings need are not up). `parts` are those that are not up;
 * `unheard` the sources among them: without them "no warnings" is no promise.
 */
export function trust(now, at = Date.now()) {
  const parts = (now.status?.parts ?? []).filter((part) => part.state !== "up");
  const unheard = parts.filter((part) => ILL.has(part.state) && SOURCES.some((start) => part.part.startsWith(start)));
  const needed = parts.filter((part) => part.required || NEEDED.some((start) => part.part.startsWith(start)));
  const silent = !now.heardAt || at - now.heardAt > SILENT_MS;
  const state = silent || now.link === "lost" ? "lost" : needed.length || now.status?.ready === false ? "ill" : "well";
  return { state, parts: needed, unheard };
}
