// What the browser saves: rows as CSV, and reports that the hub makes.

import { h, spoken } from "./parts.js";
import { language, refusalText, say } from "./words.js";

/** A text that a spreadsheet would run gets an apostrophe before it: names come from devices. */
function harmless(text) {
  const said = String(text ?? "");
  return /^[=+\-@\t\r]/.test(said) && !Number.isFinite(Number(said)) ? `'${said}` : said;
}

/** Has the browser save these rows (RFC 4180, UTF-8 with a mark, which spreadsheets look for) as NAME.csv. */
export function saved(name, rows) {
  const text = rows.map((row) => row.map((part) => `"${harmless(part).replaceAll('"', '""')}"`).join(",")).join("\r\n");
  keepAs(`${name}.csv`, new Blob(["\ufeff", text, "\r\n"], { type: "text/csv" }));
}

function keepAs(name, blob) {
  const link = /** @type {any} */ (h("a", { href: URL.createObjectURL(blob), download: name.replace(/[^\w.-]+/g, "_") }));
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Buttons that fetch the report on `what` (air, fleet) as PDF and as a spreadsheet, in the page's language. `asked`: of when, as the API takes it. */
export function reportButtons({ source, what, asked }) {
  const said = h("span", { class: "wrong", role: "status" });
  const button = (format) => {
    const made = /** @type {any} */ (h("button", { type: "button", "data-report": `${what}.${format}`, onclick: () => fetched() }, format.toUpperCase()));
    async function fetched() {
      made.disabled = true;
      said.textContent = "";
      try {
        const [name, value] = asked();
        const lang = language().startsWith("zh") ? "zh" : "en";
        keepAs(`${what}-${value}.${format}`, await source.blob(`/api/v1/report/${what}?${new URLSearchParams({ [name]: value, format, lang })}`));
      } catch (error) { said.replaceChildren(...spoken(`${say("failed")} ${refusalText(error)}`)); }
      made.disabled = false;
    }
    return made;
  };
  return [button("pdf"), button("xlsx"), said];
}
