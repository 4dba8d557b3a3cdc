// The map: the ground, what reports, who sees it, and warnings above all. It draws what it is given, when something changed, and says what was picked.

import { Ground, ringsOf, trace } from "./ground.js";
import { colours } from "./theme.js";
import { Things } from "./things.js";
import { View } from "./view.js";
import { told } from "./words.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const RANK = { blue: 0, yellow: 1, orange: 2, red: 3 };
const PULSE_MS = 1700;
const CAMERAS_NAMED = 12;

export class CityMap {
  /** `covered()`: rectangles of the page's own boxes over the map, where no name may stand: [left, top, right, bottom] each. */
  constructor(canvas, { onPick, onHover, onView, covered }) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d", { willReadFrequently: true }); // drawn by the processor: most control rooms have no other
    this.onPick = onPick;
    this.onHover = onHover;
    this.onView = onView;
    this.covered = covered;
    this.onMarks = null; // told where warnings stand: [left, top, right, bottom] each
    this.view = new View(() => STILL.matches);
    this.ground = new Ground();
    this.things = new Things();
    this.home = null;
    this.alerts = [];
    this.chosen = null; // the chosen warning, or null
    this.track = null; // the way of a chosen trip: [lon, lat] each
    this.replay = null; // where it is in it: { place: [lon, lat], passed: how many of the places lie behind }
    this.sketch = null; // a zone whose shape is being drawn (sketch.js)
    this.marked = null; // the chosen device or camera: { device } or { camera }
    this.showLabels = true;
    this.changed = true;
    this.frames = 0; // drawn so far, and what one takes: for measuring
    this.drawing_ms = 0;
    /** @type {any} */ (canvas).cityMap = this;
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    const frame = () => { requestAnimationFrame(frame); this.#frame(); }; // the next one first: one that fails is not the last
    requestAnimationFrame(frame);
  }

  get cameras() { return this.ground.cameras; }
  get showSectors() { return this.ground.showSectors; }
  set showSectors(shown) { this.ground.showSectors = shown; this.ground.stale = true; }

  setCity(city) {
    this.ground.setCity(city);
    // The whole city is where its things stand and its zones lie; water goes on beyond.
    const places = this.ground.zones.filter((zone) => !zone.water).flatMap((zone) => zone.rings[0]);
    const [west, south, east, north] = city.bounds ?? [...(places[0] ?? [0, 0]), ...(places[0] ?? [0, 0])];
    const lons = [west, east, ...places.map((place) => place[0])], lats = [south, north, ...places.map((place) => place[1])];
    const home = city.bounds || places.length ? [lons.reduce((a, b) => Math.min(a, b)), lats.reduce((a, b) => Math.min(a, b)), lons.reduce((a, b) => Math.max(a, b)), lats.reduce((a, b) => Math.max(a, b))] : null;
    const first = !this.home;
    this.home = home;
    if (first) this.fit(false);
  }

  setDevice(device, now) { this.things.set(device, now); this.changed = true; }
  fit(smooth = true) { if (this.home) { this.view.fit(this.home, smooth); this.#moved(); } }
  flyTo(places) { this.view.flyTo(places); this.#moved(); }
  zoom(factor, at) { this.view.zoom(factor, at); this.#moved(); }
  pan(dx, dy) { this.view.pan(dx, dy); this.#moved(); }
  middle() { return this.view.middle(); }
  shows(place) { return this.view.shows(place); }
  #moved() { this.changed = true; this.onView?.(this.view.metresPerPixel()); }

  #resize() {
    const ratio = devicePixelRatio || 1, { canvas, view } = this;
    view.width = canvas.clientWidth; view.height = canvas.clientHeight;
    canvas.width = Math.round(view.width * ratio);
    canvas.height = Math.round(view.height * ratio);
    if (!this.sized && this.home) { this.sized = true; this.fit(false); }
    this.#moved();
  }

  /** [x, y] on the screen of a warning, or null. */
  placeOfAlert(alert, now = Date.now()) {
    const item = this.things.devices.get(alert.subject);
    if (item?.position) return this.view.place(...this.things.placeOf(item, now));
    return alert.position ? this.view.project(...alert.position) : null;
  }

  /** [lon, lat] of a warning, or null. */
  whereIs(alert) { return this.things.devices.get(alert.subject)?.position ?? alert.position ?? null; }

  // ------------------------------------------------------------------------------------------------ drawing

  #frame() {
    const now = performance.now(), wall = Date.now();
    if (this.view.fly(now)) this.onView?.(this.view.metresPerPixel());
    const pulsing = !STILL.matches && this.alerts.some((alert) => !alert.acknowledged_by);
    const busy = this.view.flight || now - this.view.movedAt < 600 || this.things.moves > wall || this.ground.stale || pulsing || this.chosen;
    if (!this.view.width || !this.view.height || (!this.changed && !busy)) return;
    this.changed = false;
    this.frames += 1;
    const { pen, view } = this, ratio = devicePixelRatio || 1, look = colours();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.ground.draw(pen, view, ratio, look, now);
    this.labels = [];
    const label = (text, x, y, colour, weight) => this.labels.push({ text: text.length > 60 ? `${text.slice(0, 58)}…` : text, x, y, colour, weight });
    this.#sight(now, look);
    if (this.track?.length) this.#way(look);
    this.sketch?.draw(pen, view, look);
    this.#cameras(look, label);
    this.things.draw(pen, view, wall, look, this.marked?.device, label);
    const marks = this.#alerts(now, wall, look, label);
    for (const name of this.ground.names) { const [x, y] = view.place(...name.at); if (view.inView(x, y, 0)) label(name.text, x, y + 14, name.colour, -1); }
    if (this.showLabels || this.chosen) this.#write(look, marks);
    this.drawing_ms += (performance.now() - now - this.drawing_ms) / 20;
  }

  /** Lines of sight from the chosen warning's cameras to its place, and the ground those cameras cover. */
  #sight(now, look) {
    const alert = this.chosen, target = alert && this.placeOfAlert(alert);
    if (!target) return;
    const { pen, view } = this;
    for (const seen of alert.cameras ?? []) {
      const camera = this.cameras.get(seen.camera);
      if (!camera) continue;
      if (seen.sees && camera.footprint) {
        trace(pen, view, ringsOf(camera.footprint));
        pen.fillStyle = camera.range_m > 800 ? `${look.lit}08` : `${look.lit}24`; pen.fill("evenodd");
        pen.strokeStyle = `${look.lit}66`; pen.lineWidth = 1; pen.stroke();
      }
      pen.strokeStyle = seen.sees ? look.lit : look.camera; pen.lineWidth = seen.sees ? 2 : 1;
      pen.setLineDash(seen.sees ? [9, 7] : [3, 5]);
      pen.lineDashOffset = seen.sees && !STILL.matches ? -now / 40 : 0;
      pen.beginPath(); pen.moveTo(...view.project(...camera.position)); pen.lineTo(...target); pen.stroke();
      pen.setLineDash([]);
    }
  }

  #way(look) {
    const { pen, view } = this;
    pen.strokeStyle = look.lit; pen.lineWidth = 3; pen.lineJoin = "round";
    pen.beginPath();
    this.track.forEach((place, index) => { const [x, y] = view.project(...place); if (index) pen.lineTo(x, y); else pen.moveTo(x, y); });
    pen.stroke();
    if (!this.replay) return;
    const [x, y] = view.project(...this.replay.place);
    pen.globalAlpha = 0.35; pen.lineWidth = 9; pen.beginPath();
    this.track.slice(0, this.replay.passed).forEach((place, index) => { const at = view.project(...place); if (index) pen.lineTo(...at); else pen.moveTo(...at); });
    pen.lineTo(x, y); pen.stroke(); pen.globalAlpha = 1;
    pen.fillStyle = look.lit; pen.strokeStyle = look.outline; pen.lineWidth = 2.5;
    pen.beginPath(); pen.arc(x, y, 8, 0, 7); pen.fill(); pen.stroke();
  }

  #cameras(look, label) {
    const { pen, view } = this, picked = (this.chosen?.cameras ?? []).map((seen) => seen.camera);
    const small = view.metresPerPixel() > 9;
    for (const camera of this.cameras.values()) {
      const [x, y] = view.project(...camera.position);
      if (!view.inView(x, y)) continue;
      const lit = picked.includes(camera.camera) || this.marked?.camera === camera.camera;
      const size = lit ? 8 : small ? 3.6 : 5.5;
      pen.save();
      pen.translate(x, y);
      if (camera.azimuth_deg != null && !camera.ptz) pen.rotate((camera.azimuth_deg * Math.PI) / 180);
      pen.fillStyle = lit ? look.lit : look.camera; pen.strokeStyle = look.outline; pen.lineWidth = 1.2;
      pen.beginPath();
      if (camera.ptz || camera.azimuth_deg == null) pen.arc(0, 0, size * 0.8, 0, 7);
      else { pen.moveTo(0, -size * 1.3); pen.lineTo(size, size * 0.8); pen.lineTo(-size, size * 0.8); pen.closePath(); }
      pen.fill(); pen.stroke();
      if (camera.ptz) { pen.strokeStyle = pen.fillStyle; pen.beginPath(); pen.arc(0, 0, size * 1.35, 0, 7); pen.stroke(); }
      pen.restore();
      if (lit && picked.indexOf(camera.camera) < CAMERAS_NAMED) label(camera.name || camera.camera, x, y, look.litText, 1);
    }
  }

  /** Warnings lie above everything, the worst on top; every level has a shape of its own. Returns the ground they take. */
  #alerts(now, wall, look, label) {
    const { pen, view } = this, marks = [];
    for (const alert of [...this.alerts].sort((a, b) => RANK[a.level] - RANK[b.level])) {
      const place = this.placeOfAlert(alert, wall);
      if (!place || !view.inView(...place)) continue;
      const [x, y] = place, colour = look.levels[alert.level] ?? look.marked;
      if (!alert.acknowledged_by && !STILL.matches) {
        const share = (now / PULSE_MS) % 1;
        pen.globalAlpha = 1 - share; pen.strokeStyle = colour; pen.lineWidth = 3 - 2 * share;
        pen.beginPath(); pen.arc(x, y, 11 + share * 22, 0, 7); pen.stroke();
        pen.globalAlpha = 1;
      }
      const size = this.chosen?.alert === alert.alert ? 12 : 9;
      shape(pen, alert.level, x, y, size);
      pen.fillStyle = alert.acknowledged_by ? look.land : colour; pen.fill();
      pen.strokeStyle = alert.acknowledged_by ? colour : look.outline; pen.lineWidth = alert.acknowledged_by ? 3 : 2; pen.stroke();
      marks.push([x - size, y - size, x + size, y + size]);
      if (this.chosen?.alert === alert.alert || view.metresPerPixel() < 12) label(told(alert, "title") || alert.subject, x, y, colour, this.chosen?.alert === alert.alert ? 4 : 2 + RANK[alert.level] / 4);
    }
    this.onMarks?.(marks);
    return marks;
  }

  /** Writes the weightiest first, each above, below or beside its place; one that would cover another, a warning or a box of the page is left out. */
  #write(look, marks) {
    const { pen, view } = this, taken = [...marks, ...(this.covered?.() ?? [])];
    pen.textAlign = "center"; pen.lineWidth = 3.5; pen.strokeStyle = look.halo; pen.lineJoin = "round";
    for (const label of this.labels.sort((a, b) => b.weight - a.weight)) {
      pen.font = `${label.weight >= 2 ? "600 12px" : label.weight < 0 ? "italic 11px" : "11px"} system-ui, "Noto Sans CJK SC", sans-serif`;
      const half = pen.measureText(label.text).width / 2 + 3;
      const tried = [[0, -17], [0, 24], [half + 14, 4], [-half - 14, 4], [half, -24], [-half, -24]];
      for (const [dx, dy] of label.weight < 0 ? [[0, 0]] : tried) {
        const x = label.weight >= 2 ? Math.max(half + 5, Math.min(view.width - half - 5, label.x + dx)) : label.x + dx, y = label.y + dy;
        const box = [x - half, y - 12, x + half, y + 4];
        if (y < 14 || y > view.height - 4 || taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
        taken.push(box);
        pen.fillStyle = label.colour;
        pen.strokeText(label.text, x, y);
        pen.fillText(label.text, x, y);
        break;
      }
    }
    this.written = taken.slice(marks.length);
  }

  // ------------------------------------------------------------------------------------------------ hands

  #find(px, py) {
    const near = (place, reach) => Math.hypot(place[0] - px, place[1] - py) < reach, wall = Date.now();
    for (const alert of [...this.alerts].sort((a, b) => RANK[b.level] - RANK[a.level])) { const place = this.placeOfAlert(alert, wall); if (place && near(place, 16)) return { alert }; }
    const thing = this.things.find(this.view, px, py, wall);
    if (thing) return thing;
    for (const camera of this.cameras.values()) if (near(this.view.project(...camera.position), 12)) return { camera };
    return null;
  }

  /** A click: for a zone that is being drawn, else what lies there. */
  #clicked(at) {
    if (this.sketch) this.sketch.click(this.view, at);
    else this.#pick(this.#find(...at));
  }

  #pick(found) {
    if (found?.group) this.flyTo(boundsOf(found.group.items));
    else this.onPick?.(found);
    this.changed = true;
  }

  #listen() {
    const { canvas } = this, fingers = new Map();
    let moved = 0, spread = 0, pulled = null; // the corner of a sketch that the finger has
    const at = (event) => [event.offsetX, event.offsetY];
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); fingers.set(event.pointerId, at(event)); moved = 0; spread = 0; pulled = fingers.size === 1 ? this.sketch?.cornerAt(this.view, at(event)) ?? null : null; });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId), here = at(event);
      if (!before && this.sketch) { canvas.classList.toggle("point", this.sketch.cornerAt(this.view, here) !== null || this.sketch.edgeAt(this.view, here) !== null); return; }
      if (!before) { const found = this.#find(...here); canvas.classList.toggle("point", Boolean(found)); this.onHover?.(found, here); return; }
      fingers.set(event.pointerId, here);
      moved += Math.hypot(here[0] - before[0], here[1] - before[1]);
      if (fingers.size === 2) {
        const [a, b] = [...fingers.values()], wide = Math.hypot(a[0] - b[0], a[1] - b[1]);
        if (spread) this.zoom(wide / spread, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
        spread = wide;
      } else if (moved > 3 && pulled !== null && this.sketch) { this.sketch.picked = pulled; this.sketch.pull(this.view, here);
      } else if (moved > 3) { canvas.classList.add("drag"); this.pan(here[0] - before[0], here[1] - before[1]); }
    });
    const lift = (event) => {
      if (fingers.delete(event.pointerId) && moved <= 3 && event.type === "pointerup") this.#clicked(at(event));
      canvas.classList.remove("drag");
    };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", () => this.onHover?.(null));
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), at(event)); }, { passive: false });
    canvas.addEventListener("dblclick", (event) => { if (!this.sketch) this.zoom(2, at(event)); });
    const keys = { ArrowLeft: [70, 0], ArrowRight: [-70, 0], ArrowUp: [0, 70], ArrowDown: [0, -70] };
    canvas.addEventListener("keydown", (event) => {
      if (this.sketch && !event.ctrlKey && !event.metaKey && !event.altKey && this.sketch.key(event, this.view)) { event.preventDefault(); event.stopPropagation(); return; }
      if (keys[event.key]) this.pan(...keys[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(1.5);
      else if (event.key === "-") this.zoom(1 / 1.5);
      else if (event.key === "0") this.fit();
      else return;
      event.preventDefault();
    });
  }
}

/** The outline of a level: blue a disc, yellow a triangle, orange a diamond, red an octagon. */
export function shape(pen, level, x, y, size) {
  pen.beginPath();
  if (level === "blue") { pen.arc(x, y, size * 0.85, 0, 7); return; }
  const [corners, turn] = { yellow: [3, -90], orange: [4, -90], red: [8, 22.5] }[level] ?? [6, 0];
  for (let corner = 0; corner < corners; corner += 1) {
    const angle = ((turn + (360 / corners) * corner) * Math.PI) / 180, reach = level === "yellow" ? size * 1.15 : size;
    pen[corner ? "lineTo" : "moveTo"](x + Math.cos(angle) * reach, y + Math.sin(angle) * reach);
  }
  pen.closePath();
}

function boundsOf(items) {
  const places = items.map((item) => item.device.position), lons = places.map((place) => place[0]), lats = places.map((place) => place[1]);
  return [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]];
}
