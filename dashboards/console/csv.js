// Rows as a file for spreadsheets.

import { h } from "./parts.js";

/** A text that a spreadsheet would run gets an apostrophe before it: names come from devices. */
function harmless(text) {
  const said = String(text ?? "");
  return /^[=+\-@\t\r]/.test(said) && !Number.isFinite(Number(said)) ? `'${said}` : said;
}

/** Has the browser save these rows (RFC 4180, UTF-8 with a mark, which spreadsheets look for) as NAME.csv. */
export function saved(name, rows) {
  const text = rows.map((row) => row.map((part) => `"${harmless(part).replaceAll('"', '""')}"`).join(",")).join("\r\n");
  const link = /** @type {any} */ (h("a", { href: URL.createObjectURL(new Blob(["\ufeff", text, "\r\n"], { type: "text/csv" })), download: `${name.replace(/[^\w.-]+/g, "_")}.csv` }));
  link.click();
  URL.revokeObjectURL(link.href);
}
