// Building pages out of data. Text only ever becomes text: nothing here parses markup, so no device name can be code.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties and children; strings become text nodes, null and false nothing. */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (key === "vars") for (const [name, text] of Object.entries(value)) made.style.setProperty(name, text);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/**
 * A sentence of the hub as nodes. What it quotes (「…」: a peer's, a library's, a decoder's own words) is English wherever it stands, and marked so: screen readers
 * change their tongue, and who looks for English left on the Chinese page does not take it for the hub's own.
 */
export const spoken = (text) => String(text ?? "").split(/(「[^」]*」)/).filter(Boolean).map((part) => (part.startsWith("「") ? h("q", { lang: "en" }, part.slice(1, -1)) : part));

export function svg(tag, props = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** Keeps `box`'s children in step with `items`: one element an item by `key`, built anew only when `stamp` changes. @param {any} box */
export function keep(box, items, key, stamp, build) {
  const old = new Map([...box.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let after = null;
  for (const item of items) {
    const name = String(key(item)), mark = String(stamp(item));
    let child = old.get(name);
    old.delete(name);
    if (!child || child.dataset.stamp !== mark) {
      const fresh = build(item);
      fresh.dataset.key = name;
      fresh.dataset.stamp = mark;
      const held = child?.contains(document.activeElement) ? /** @type {any} */ (document.activeElement).dataset.focus : null;
      if (child) child.replaceWith(fresh);
      child = fresh;
      if (held) [...child.querySelectorAll("[data-focus]")].find((part) => part.dataset.focus === held)?.focus();
    }
    const place = after ? after.nextSibling : box.firstChild;
    if (place !== child) box.insertBefore(child, place);
    after = child;
  }
  for (const gone of old.values()) gone.remove();
}

const SPEAKER = "M2 9 H6 L11 5 V19 L6 15 H2 Z";
const HEARD = { on: "M14 9 a4 4 0 0 1 0 6 M17 6 a8 8 0 0 1 0 12", blocked: "M14 9 a4 4 0 0 1 0 6", off: "M14 9 L20 15 M20 9 L14 15" };

/** A loudspeaker, drawn because few machines in control rooms have a font of emoji. `state`: on, blocked (the browser plays nothing yet) or off. */
export function speaker(state) {
  return svg("svg", { viewBox: "0 0 24 24", width: 16, height: 16, "aria-hidden": "true" },
    svg("path", { d: SPEAKER, fill: "currentColor" }),
    svg("path", { d: HEARD[state], fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round" }));
}

/** A compass needle: which way a camera must look. */
export function needle(bearing, sees) {
  return svg("svg", { viewBox: "0 0 26 26", width: 26, height: 26, "aria-hidden": "true" },
    svg("circle", { cx: 13, cy: 13, r: 11.5, fill: "none", stroke: "#2b4257" }),
    svg("path", { d: "M13 3 L17.5 18 L13 15 L8.5 18 Z", fill: sees ? "#5cc8ff" : "#5d7488", transform: `rotate(${Number(bearing) || 0} 13 13)` }));
}

/** The last minutes of a rate as bars. */
export function bars(rates) {
  const high = Math.max(1e-9, ...rates), wide = 300 / Math.max(40, rates.length);
  return svg("svg", { class: "bars", viewBox: "0 0 300 26", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...rates.map((rate, index) => svg("rect", { x: 300 - (rates.length - index) * wide, y: 26 - (rate / high) * 25, width: wide * 0.8, height: Math.max(0.5, (rate / high) * 25) })));
}
