// What reports and moves: devices with their places, trails and levels of detail. A few are drawn as symbols, many as dots, very many as counted groups.

import { FAMILIES, familyOf, isHeldAgainst, telling, valueText } from "./words.js";
import { mercatorX, mercatorY, metresBetween } from "./view.js";

export const MOVING = new Set(["vehicle", "bus", "hazmat-truck", "phone", "vessel"]);
const TRAIL_MS = 90_000;
const TRAIL_POINTS = 60;
const TRAILS_DRAWN = 60;
const JUMP_M = 400; // between two reports: not driven, so no trail
const GLIDE_MS = 2200;
const STALE_MS = 300_000;
const SYMBOLS_MAX = 400; // more in view are dots
const DOTS_MAX = 1500; // more in view are grouped where they stand close
const CELL_PX = 64, CELL_MIN = 12;

export class Things {
  constructor() {
    this.devices = new Map(); // id → { device, place: { x, y } in Mercator units, … }
    this.groups = null;
    this.moves = 0; // until when something glides
  }

  /** Takes what is newly known of a device. Returns whether what is drawn changes. */
  set(device, now) {
    const known = this.devices.get(device.device), family = familyOf(device.kind);
    const item = known ?? { trail: [], from: null, since: 0, x: NaN, y: NaN };
    Object.assign(item, { device, family, moving: MOVING.has(device.kind), heardAt: Date.parse(device.received_at ?? device.observed_at ?? "") || 0 });
    if (!known) this.devices.set(device.device, item);
    if (!device.position) return;
    const [lon, lat] = device.position, x = mercatorX(lon), y = mercatorY(lat);
    if (x === item.x && y === item.y) return;
    this.groups = null;
    if (item.moving && item.position) {
      const leap = metresBetween(item.position, device.position);
      if (leap > JUMP_M) { item.trail = []; item.from = null; }
      else if (leap > 0.5) { item.from = this.placeOf(item, now); item.since = now; this.moves = now + GLIDE_MS; }
    }
    Object.assign(item, { x, y, position: device.position });
    if (item.moving) {
      const last = item.trail.at(-1);
      if (!last || metresBetween(last.at, device.position) > 4) item.trail.push({ at: device.position, when: now });
      if (item.trail.length > TRAIL_POINTS) item.trail.shift();
    }
  }

  /** Where it is drawn, in Mercator units: gliding from its last place to its newest over the time between reports. */
  placeOf(item, now) {
    const share = item.from ? (now - item.since) / GLIDE_MS : 1;
    if (share >= 1) { item.from = null; return [item.x, item.y]; }
    return [item.from[0] + (item.x - item.from[0]) * share, item.from[1] + (item.y - item.from[1]) * share];
  }

  /** Draws all in view, and says what to write. */
  draw(pen, view, now, colours, marked, label) {
    const seen = [], half = 1 / view.scale, margin = 20 * half;
    const x0 = view.x - (view.width / 2) * half - margin, x1 = view.x + (view.width / 2) * half + margin;
    const y0 = view.y - (view.height / 2) * half - margin, y1 = view.y + (view.height / 2) * half + margin;
    for (const item of this.devices.values()) if (item.x >= x0 && item.x <= x1 && item.y >= y0 && item.y <= y1) seen.push(item);
    if (seen.length > DOTS_MAX) this.#groups(pen, view, now, seen, colours, label);
    else if (seen.length > SYMBOLS_MAX) this.#dots(pen, view, now, seen, colours);
    else this.#symbols(pen, view, now, seen, colours, marked, label);
    const item = this.devices.get(marked);
    if (item?.position) this.#ring(pen, view.place(...this.placeOf(item, now)), item, colours, label);
    this.seen = seen;
  }

  #dots(pen, view, now, items, colours) {
    for (const old of [true, false]) for (const [family, look] of Object.entries(FAMILIES)) {
      pen.fillStyle = look.colour;
      pen.globalAlpha = old ? 0.4 : 1;
      for (const item of items) {
        if (item.family !== family || (now - item.heardAt > STALE_MS) !== old) continue;
        const [x, y] = view.place(...(item.from ? this.placeOf(item, now) : [item.x, item.y]));
        if (item.moving) pen.fillRect(Math.round(x) - 2, Math.round(y) - 2, 5, 5);
        else pen.fillRect(Math.round(x) - 3, Math.round(y) - 3, 6, 6);
      }
    }
    pen.globalAlpha = 1;
  }

  /** Cells of the ground with many devices become one counted disc each; what is left stays dots. */
  #groups(pen, view, now, items, colours, label) {
    const level = Math.round(Math.log2(view.scale) * 2);
    if (!this.groups || this.groups.level !== level || now - this.groups.at > 1000 || this.groups.many !== items.length) {
      const cell = CELL_PX / 2 ** (level / 2), cells = new Map();
      for (const item of items) {
        const key = Math.floor(item.x / cell) * 67_108_864 + Math.floor(item.y / cell);
        const found = cells.get(key);
        if (found) found.push(item); else cells.set(key, [item]);
      }
      const alone = [], groups = [];
      for (const inside of cells.values()) {
        if (inside.length < CELL_MIN) { alone.push(...inside); continue; }
        const share = new Map();
        let x = 0, y = 0;
        for (const item of inside) { x += item.x; y += item.y; share.set(item.family, (share.get(item.family) ?? 0) + 1); }
        const family = [...share].sort((a, b) => b[1] - a[1])[0][0];
        groups.push({ x: x / inside.length, y: y / inside.length, count: inside.length, family, items: inside });
      }
      this.groups = { level, at: now, many: items.length, alone, groups };
    }
    this.#dots(pen, view, now, this.groups.alone, colours);
    pen.font = "600 11px system-ui, sans-serif"; pen.textAlign = "center"; pen.textBaseline = "middle";
    for (const group of this.groups.groups) {
      const [x, y] = view.place(group.x, group.y), radius = 9 + Math.min(13, Math.log2(group.count) * 1.6);
      pen.fillStyle = colours.land; pen.strokeStyle = FAMILIES[group.family].colour; pen.lineWidth = 3;
      pen.beginPath(); pen.arc(x, y, radius, 0, 7); pen.fill(); pen.stroke();
      pen.fillStyle = colours.label;
      pen.fillText(group.count > 999 ? `${Math.round(group.count / 100) / 10}k` : String(group.count), x, y);
    }
    pen.textBaseline = "alphabetic";
  }

  #symbols(pen, view, now, items, colours, marked, label) {
    const close = view.metresPerPixel() < 4.5;
    this.#rain(pen, view, items);
    this.#trails(pen, view, now, items);
    for (const item of items) {
      const [x, y] = view.place(...this.placeOf(item, now)), { device } = item;
      pen.globalAlpha = !item.heardAt || now - item.heardAt > STALE_MS ? 0.45 : 1;
      pen.fillStyle = device.kind === "hazmat-truck" ? "#ff9a3c" : FAMILIES[item.family].colour;
      pen.strokeStyle = colours.outline; pen.lineWidth = 1.4;
      if (item.moving) mover(pen, device, x, y);
      else { pen.beginPath(); pen.arc(x, y, 5, 0, 7); pen.fill(); pen.stroke(); }
      pen.globalAlpha = 1;
      if (close && device.device !== marked) {
        const tells = telling(device.values ?? {});
        label(`${device.name || device.device}${tells ? ` · ${valueText(...tells)}` : ""}`, x, y, colours.label, 0);
      }
    }
  }

  #ring(pen, [x, y], item, colours, label) {
    pen.strokeStyle = colours.marked; pen.lineWidth = 1.8;
    pen.beginPath(); pen.arc(x, y, 11, 0, 7); pen.stroke();
    label(item.device.name || item.device.device, x, y, colours.label, 1);
  }

  /** Rain where it is measured: a soft blue veil, denser the harder it falls. */
  #rain(pen, view, items) {
    for (const item of items) {
      const told = item.device.values?.rain_intensity, rain = isHeldAgainst(told) ? 0 : Number(told?.value);
      if (!(rain > 0.5)) continue;
      const [x, y] = view.place(item.x, item.y), radius = Math.max(26, 420 / view.metresPerPixel());
      const veil = pen.createRadialGradient(x, y, 0, x, y, radius), share = Math.min(0.5, 0.1 + rain / 160);
      veil.addColorStop(0, `rgba(74, 144, 255, ${share})`);
      veil.addColorStop(0.5, `rgba(74, 144, 255, ${share * 0.5})`);
      veil.addColorStop(1, "rgba(74, 144, 255, 0)");
      pen.fillStyle = veil;
      pen.beginPath(); pen.arc(x, y, radius, 0, 7); pen.fill();
    }
  }

  #trails(pen, view, now, items) {
    const moving = items.filter((item) => item.trail.length > 1).slice(0, TRAILS_DRAWN);
    pen.lineWidth = 2; pen.lineCap = "round";
    for (const item of moving) {
      while (item.trail.length && now - item.trail[0].when > TRAIL_MS) item.trail.shift();
      pen.strokeStyle = FAMILIES[item.family].colour; pen.globalAlpha = 0.3;
      pen.beginPath();
      item.trail.forEach((point, index) => { const [x, y] = view.project(...point.at); if (index) pen.lineTo(x, y); else pen.moveTo(x, y); });
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  /** The device or the group at a point of the screen. */
  find(view, px, py, now) {
    for (const group of (this.seen?.length > DOTS_MAX && this.groups?.groups) || []) {
      const [x, y] = view.place(group.x, group.y);
      if (Math.hypot(x - px, y - py) < 22) return { group };
    }
    let best = null, reach = 13;
    for (const item of this.seen ?? []) {
      const [x, y] = view.place(...this.placeOf(item, now)), away = Math.hypot(x - px, y - py);
      if (away < reach) { reach = away; best = { device: item.device }; }
    }
    return best;
  }
}

function mover(pen, device, x, y) {
  const value = (name) => (isHeldAgainst(device.values?.[name]) ? undefined : device.values?.[name]?.value), vessel = device.kind === "vessel";
  const course = Number(vessel ? value("heading") ?? value("cog") : value("course"));
  const size = device.kind === "hazmat-truck" ? 7 : vessel ? 8 : 6;
  pen.save();
  pen.translate(x, y);
  if (Number.isFinite(course)) pen.rotate((course * Math.PI) / 180);
  pen.beginPath();
  if (!Number.isFinite(course)) pen.arc(0, 0, size * 0.7, 0, 7);
  else if (vessel) { pen.moveTo(0, -size * 1.25); pen.quadraticCurveTo(size * 0.75, -size * 0.3, size * 0.55, size); pen.lineTo(-size * 0.55, size); pen.quadraticCurveTo(-size * 0.75, -size * 0.3, 0, -size * 1.25); }
  else { pen.moveTo(0, -size * 1.2); pen.lineTo(size * 0.8, size * 0.85); pen.lineTo(0, size * 0.45); pen.lineTo(-size * 0.8, size * 0.85); pen.closePath(); }
  pen.fill(); pen.stroke();
  pen.restore();
}
