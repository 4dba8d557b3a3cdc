// What others wrote, as `make console` bundles it: curves and the reading of base maps. Everything else works without it.

const WHERE = new URL("./vendor/vendor.js", import.meta.url).href;
const STYLES = "/static/vendor/vendor.css";
let asked = null;

/** @returns {Promise<typeof import("../bundle/vendor.js")>} rejects where the console was not built */
export function others() {
  asked ??= import(WHERE).then((found) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = STYLES;
    document.head.append(link);
    return found;
  });
  return asked;
}
