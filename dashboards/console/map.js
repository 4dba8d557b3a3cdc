// The map: Web Mercator on a canvas, nothing fetched from anywhere. It draws what it is given and says what was picked.

import { FAMILIES, familyOf, telling, valueText } from "./words.js";

export const LEVEL_COLOURS = { blue: "#4f9dff", yellow: "#f4d03f", orange: "#ff9a3c", red: "#ff5a52" };
const MOVING = new Set(["vehicle", "bus", "hazmat-truck", "phone", "vessel"]);
const TRAIL_MS = 90_000;
const TRAIL_POINTS = 60;
const JUMP_M = 400; // between two reports: not driven, so no trail
const STALE_MS = 300_000;
const EARTH_M = 40_075_016.686; // round the equator (WGS-84)
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

const mercatorX = (lon) => (lon + 180) / 360;
const mercatorY = (lat) => 0.5 - Math.log(Math.tan(Math.PI / 4 + (Math.max(-85, Math.min(85, lat)) * Math.PI) / 360)) / (2 * Math.PI);
const toLon = (x) => x * 360 - 180;
const toLat = (y) => (Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) * 360) / Math.PI - 90;
const ease = (t) => (t < 0.5 ? 4 * t ** 3 : 1 - (-2 * t + 2) ** 3 / 2);

export function metresBetween(a, b) {
  const rad = Math.PI / 180;
  const h = Math.sin(((b[1] - a[1]) * rad) / 2) ** 2 + Math.cos(a[1] * rad) * Math.cos(b[1] * rad) * Math.sin(((b[0] - a[0]) * rad) / 2) ** 2;
  return 12_742_017.6 * Math.asin(Math.min(1, Math.sqrt(h)));
}

export class CityMap {
  constructor(canvas, { onPick, onHover, onView }) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.onPick = onPick;
    this.onHover = onHover;
    this.onView = onView;
    this.view = { x: 0.5, y: 0.5, scale: 256 }; // centre in Mercator units, pixels for the whole world
    this.home = null;
    this.flight = null;
    this.zones = [];
    this.buildings = [];
    this.cameras = new Map();
    this.devices = new Map();
    this.trails = new Map();
    this.alerts = [];
    this.chosen = null; // the chosen warning, or null
    this.marked = null; // the chosen device or camera: { device } or { camera }
    this.showSectors = true;
    this.showLabels = true;
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    const frame = (now) => { this.#draw(now); requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  }

  setCity(city) {
    // The ground is drawn once per view change, widest areas first.
    this.zones = (city.zones ?? []).map((zone) => ({ ...zone, water: zone.kind === "water", ...spanOf(zone.rings[0]) }));
    this.zones.sort((a, b) => Number(b.water) - Number(a.water));
    this.buildings = city.buildings ?? [];
    this.cameras = new Map((city.cameras ?? []).filter((camera) => camera.position).map((camera) => [camera.camera, camera]));
    // The whole city is where its things stand and its zones lie; water goes on beyond.
    const places = this.zones.filter((zone) => !zone.water).flatMap((zone) => zone.rings[0]);
    const [west, south, east, north] = city.bounds ?? [...(places[0] ?? [0, 0]), ...(places[0] ?? [0, 0])];
    const lons = [west, east, ...places.map((place) => place[0])], lats = [south, north, ...places.map((place) => place[1])];
    if (city.bounds || places.length) { this.home = [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)]; this.fit(false); }
  }

  setDevice(device, now) {
    const known = this.devices.get(device.device);
    if (!device.position) { this.devices.set(device.device, { ...device, moving: false }); return; }
    const moving = MOVING.has(device.kind);
    const next = { ...device, moving, heard: now, from: null };
    if (moving && known?.position) {
      const leap = metresBetween(known.position, device.position);
      if (leap > JUMP_M) this.trails.delete(device.device);
      else if (leap > 0.5) { next.from = this.#placeOf(known, now); next.since = now; }
    }
    if (moving) {
      const trail = this.trails.get(device.device) ?? [];
      const last = trail.at(-1);
      if (!last || metresBetween(last.at, device.position) > 4) trail.push({ at: device.position, when: now });
      if (trail.length > TRAIL_POINTS) trail.shift();
      this.trails.set(device.device, trail);
    }
    this.devices.set(device.device, next);
  }

  // ------------------------------------------------------------------------------------------------ the view

  fit(smooth = true) {
    if (!this.home) return;
    const [west, south, east, north] = this.home;
    const width = this.canvas.clientWidth || 800, height = this.canvas.clientHeight || 600;
    const spanX = Math.max(1e-7, mercatorX(east) - mercatorX(west)), spanY = Math.max(1e-7, mercatorY(south) - mercatorY(north));
    const scale = Math.min((width - 90) / spanX, (height - 90) / spanY);
    this.#go({ x: mercatorX((west + east) / 2), y: (mercatorY(north) + mercatorY(south)) / 2, scale }, smooth);
  }

  /** Brings these places into view, [lon, lat] each. */
  flyTo(places) {
    const xs = places.map((place) => mercatorX(place[0])), ys = places.map((place) => mercatorY(place[1]));
    const x = (Math.min(...xs) + Math.max(...xs)) / 2, y = (Math.min(...ys) + Math.max(...ys)) / 2;
    const span = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), 450 / this.#metresPerUnit(y));
    const scale = Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * 0.6 / span;
    this.#go({ x, y, scale }, true);
  }

  zoom(factor, at = null) {
    const px = at?.[0] ?? this.canvas.clientWidth / 2, py = at?.[1] ?? this.canvas.clientHeight / 2;
    const before = this.#unproject(px, py);
    this.flight = null;
    this.view.scale = clampScale(this.view.scale * factor);
    const after = this.#unproject(px, py);
    this.view.x += before[0] - after[0];
    this.view.y += before[1] - after[1];
    this.#moved();
  }

  pan(dx, dy) {
    this.flight = null;
    this.view.x -= dx / this.view.scale;
    this.view.y = Math.max(0, Math.min(1, this.view.y - dy / this.view.scale));
    this.#moved();
  }

  #go(target, smooth) {
    target.scale = clampScale(target.scale);
    if (!smooth || STILL.matches) { this.view = target; this.flight = null; this.#moved(); return; }
    this.flight = { from: { ...this.view }, to: target, began: performance.now(), lasts: 900 };
  }

  #fly(now) {
    if (!this.flight) return;
    const { from, to, began, lasts } = this.flight;
    const share = Math.min(1, (now - began) / lasts), t = ease(share);
    // Zoom in the logarithm; the centre follows the zoom so that the way looks straight.
    const scale = Math.exp(Math.log(from.scale) + (Math.log(to.scale) - Math.log(from.scale)) * t);
    const way = Math.abs(1 - from.scale / to.scale) < 1e-3 ? t : (1 / scale - 1 / from.scale) / (1 / to.scale - 1 / from.scale);
    this.view = { x: from.x + (to.x - from.x) * way, y: from.y + (to.y - from.y) * way, scale };
    if (share === 1) this.flight = null;
    this.#moved();
  }

  #moved() { this.groundStale = true; this.onView?.(this.metresPerPixel()); }
  #metresPerUnit(y) { return EARTH_M * Math.cos((toLat(y) * Math.PI) / 180); }
  metresPerPixel() { return this.#metresPerUnit(this.view.y) / this.view.scale; }
  project(lon, lat) {
    return [(mercatorX(lon) - this.view.x) * this.view.scale + this.canvas.clientWidth / 2, (mercatorY(lat) - this.view.y) * this.view.scale + this.canvas.clientHeight / 2];
  }
  #unproject(px, py) { return [(px - this.canvas.clientWidth / 2) / this.view.scale + this.view.x, (py - this.canvas.clientHeight / 2) / this.view.scale + this.view.y]; }

  #resize() {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    this.ground = null;
    if (!this.sized && this.home) { this.sized = true; this.fit(false); }
    this.#moved();
  }

  // ------------------------------------------------------------------------------------------------ drawing

  #draw(now) {
    this.#fly(now);
    const { pen, canvas } = this, ratio = devicePixelRatio || 1;
    if (!canvas.width) return;
    if (this.groundStale || !this.ground) this.#drawGround(ratio);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.ground, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const wall = Date.now();
    this.taken = [];
    this.#drawRain();
    this.#drawTrails(wall);
    this.#drawSight(now);
    this.#drawCameras();
    this.#drawDevices(wall);
    this.#drawAlerts(now, wall);
    this.#writeLabels();
  }

  #drawGround(ratio) {
    this.groundStale = false;
    this.ground ??= document.createElement("canvas");
    this.ground.width = this.canvas.width;
    this.ground.height = this.canvas.height;
    const pen = this.ground.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    pen.fillStyle = "#14202b";
    pen.fillRect(0, 0, width, height);
    for (const zone of this.zones) if (zone.water) {
      this.#trace(pen, zone.rings);
      pen.fillStyle = "#0b2233";
      pen.fill("evenodd");
      pen.strokeStyle = "#2b556f"; pen.lineWidth = 1.2; pen.stroke();
    }
    this.#graticule(pen, width, height);
    for (const zone of this.zones) if (zone.kind === "road") {
      this.#trace(pen, zone.rings);
      pen.fillStyle = pen.strokeStyle = "#26394a";
      pen.fill(); pen.lineWidth = 1.5; pen.stroke();
    }
    for (const zone of this.zones) if (!zone.water && zone.kind !== "road") this.#drawZone(pen, zone);
    pen.fillStyle = "#9a9a9a2e";
    if (this.metresPerPixel() < 5) for (const rings of this.buildings) { this.#trace(pen, rings); pen.fill("evenodd"); }
    if (this.showSectors) for (const camera of this.cameras.values()) {
      if (!camera.footprint) continue;
      this.#trace(pen, ringsOf(camera.footprint));
      pen.fillStyle = camera.ptz ? "#7fd3ff06" : "#7fd3ff12"; pen.fill("evenodd");
      pen.strokeStyle = camera.ptz ? "#7fd3ff12" : "#7fd3ff2c"; pen.lineWidth = 0.8; pen.stroke();
    }
  }

  #drawZone(pen, zone) {
    const looks = { restricted: ["#ff5a5214", "#ff5a5277", [6, 4]], bridge: ["#f2c14e10", "#f2c14e88", [7, 5]], anchorage: ["#5ce1e60a", "#5ce1e666", [2, 5]], "hazmat-route": ["#ff9a3c0c", "#ff9a3c55", [10, 6]], plant: ["#b892ff14", "#b892ff55", []], school: ["#f4d03f12", "#f4d03f66", []] };
    const [fill, line, dash] = looks[zone.kind] ?? ["#8fa6ba0c", "#8fa6ba44", []];
    this.#trace(pen, zone.rings);
    pen.fillStyle = fill; pen.fill("evenodd");
    pen.strokeStyle = line; pen.lineWidth = 1; pen.setLineDash(dash); pen.stroke(); pen.setLineDash([]);
    if (this.showLabels && zone.wide_m / this.metresPerPixel() > 75) {
      const [x, y] = this.project(...zone.middle);
      pen.font = "italic 11px system-ui, sans-serif"; pen.textAlign = "center"; pen.fillStyle = line.slice(0, 7) + "aa";
      pen.fillText(zone.name, x, y);
    }
  }

  #graticule(pen, width, height) {
    const [x0, y0] = this.#unproject(0, 0), [x1, y1] = this.#unproject(width, height);
    const west = toLon(x0), east = toLon(x1), north = toLat(y0), south = toLat(y1);
    const step = [20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002].find((size) => (east - west) / size > 4) ?? 0.001;
    pen.strokeStyle = "#ffffff0d"; pen.fillStyle = "#5d748899"; pen.lineWidth = 1; pen.font = "10px system-ui, sans-serif"; pen.textAlign = "left";
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    for (let lon = Math.ceil(west / step) * step; lon < east; lon += step) {
      const [x] = this.project(lon, 0);
      pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, height); pen.stroke();
      pen.fillText(`${Math.abs(lon).toFixed(digits)}°${lon < 0 ? "W" : "E"}`, x + 3, 11);
    }
    for (let lat = Math.ceil(south / step) * step; lat < north; lat += step) {
      const [, y] = this.project(0, lat);
      pen.beginPath(); pen.moveTo(0, y); pen.lineTo(width, y); pen.stroke();
      if (y > 24) pen.fillText(`${Math.abs(lat).toFixed(digits)}°${lat < 0 ? "S" : "N"}`, 3, y - 3);
    }
  }

  #trace(pen, rings) {
    pen.beginPath();
    for (const ring of rings) {
      ring.forEach((point, index) => { const [x, y] = this.project(point[0], point[1]); if (index) pen.lineTo(x, y); else pen.moveTo(x, y); });
      pen.closePath();
    }
  }

  /** Rain where it is measured: a soft blue veil, denser the harder it falls. */
  #drawRain() {
    const { pen } = this;
    for (const device of this.devices.values()) {
      const rain = Number(device.values?.rain_intensity?.value);
      if (!(rain > 0.5) || !device.position) continue;
      const [x, y] = this.project(...device.position), radius = Math.max(26, 420 / this.metresPerPixel());
      const veil = pen.createRadialGradient(x, y, 0, x, y, radius), share = Math.min(0.5, 0.1 + rain / 160);
      veil.addColorStop(0, `rgba(74, 144, 255, ${share})`);
      veil.addColorStop(0.5, `rgba(74, 144, 255, ${share * 0.5})`);
      veil.addColorStop(1, "rgba(74, 144, 255, 0)");
      pen.fillStyle = veil;
      pen.beginPath(); pen.arc(x, y, radius, 0, 7); pen.fill();
    }
  }

  #drawTrails(wall) {
    const { pen } = this;
    pen.lineWidth = 2; pen.lineCap = "round";
    for (const [name, trail] of this.trails) {
      while (trail.length && wall - trail[0].when > TRAIL_MS) trail.shift();
      const device = this.devices.get(name);
      if (trail.length < 2 || !device) continue;
      const colour = FAMILIES[familyOf(device.kind)].colour;
      for (let index = 1; index < trail.length; index += 1) {
        const [ax, ay] = this.project(...trail[index - 1].at), [bx, by] = this.project(...trail[index].at);
        pen.globalAlpha = 0.45 * (index / trail.length);
        pen.strokeStyle = colour;
        pen.beginPath(); pen.moveTo(ax, ay); pen.lineTo(bx, by); pen.stroke();
      }
    }
    pen.globalAlpha = 1;
  }

  /** Lines of sight from the chosen warning's cameras to its place, and the ground those cameras cover. */
  #drawSight(now) {
    const alert = this.chosen;
    if (!alert?.position) return;
    const { pen } = this, target = this.project(...this.placeOfAlert(alert));
    for (const view of alert.cameras ?? []) {
      const camera = this.cameras.get(view.camera);
      if (!camera) continue;
      if (view.sees && camera.footprint) {
        this.#trace(pen, ringsOf(camera.footprint));
        pen.fillStyle = camera.range_m > 800 ? "#5cc8ff06" : camera.ptz ? "#5cc8ff12" : "#5cc8ff2a"; pen.fill("evenodd");
        pen.strokeStyle = camera.range_m > 800 ? "#5cc8ff22" : "#5cc8ff66"; pen.lineWidth = 1; pen.stroke();
      }
      const from = this.project(...camera.position);
      pen.strokeStyle = view.sees ? "#8fdcff" : "#8fa6ba88"; pen.lineWidth = view.sees ? 2 : 1;
      pen.setLineDash(view.sees ? [9, 7] : [3, 5]);
      pen.lineDashOffset = view.sees && !STILL.matches ? -now / 40 : 0;
      pen.beginPath(); pen.moveTo(...from); pen.lineTo(...target); pen.stroke();
      pen.setLineDash([]);
    }
  }

  #drawCameras() {
    const { pen } = this, picked = new Set((this.chosen?.cameras ?? []).map((view) => view.camera));
    const small = this.metresPerPixel() > 9;
    for (const camera of this.cameras.values()) {
      const [x, y] = this.project(...camera.position);
      if (!this.#inView(x, y)) continue;
      const lit = picked.has(camera.camera) || this.marked?.camera === camera.camera;
      pen.save();
      pen.translate(x, y);
      if (camera.azimuth_deg != null && !camera.ptz) pen.rotate((camera.azimuth_deg * Math.PI) / 180);
      const size = lit ? 8 : small ? 3.6 : 5.5;
      pen.fillStyle = lit ? "#5cc8ff" : "#6d8aa3"; pen.strokeStyle = "#0a131d"; pen.lineWidth = 1.2;
      pen.beginPath();
      if (camera.ptz || camera.azimuth_deg == null) pen.arc(0, 0, size * 0.8, 0, 7);
      else { pen.moveTo(0, -size * 1.3); pen.lineTo(size, size * 0.8); pen.lineTo(-size, size * 0.8); pen.closePath(); }
      pen.fill(); pen.stroke();
      if (camera.ptz) { pen.strokeStyle = pen.fillStyle; pen.beginPath(); pen.arc(0, 0, size * 1.35, 0, 7); pen.stroke(); }
      pen.restore();
      if (lit) this.#label(camera.name || camera.camera, x, y + 20, "#bfe8ff", 1);
    }
  }

  #drawDevices(wall) {
    const { pen } = this, close = this.metresPerPixel() < 4.5;
    for (const device of this.devices.values()) {
      if (!device.position) continue;
      const [x, y] = this.project(...this.#placeOf(device, wall));
      if (!this.#inView(x, y)) continue;
      const colour = FAMILIES[familyOf(device.kind)].colour;
      const stale = device.observed_at && wall - Date.parse(device.received_at ?? device.observed_at) > STALE_MS;
      pen.globalAlpha = stale || !device.observed_at ? 0.35 : 1;
      if (device.moving) this.#drawMover(device, x, y, colour);
      else {
        pen.fillStyle = colour; pen.strokeStyle = "#0a131d"; pen.lineWidth = 1.5;
        pen.beginPath(); pen.arc(x, y, 5, 0, 7); pen.fill(); pen.stroke();
      }
      if (this.marked?.device === device.device) { pen.strokeStyle = "#fff"; pen.lineWidth = 1.6; pen.beginPath(); pen.arc(x, y, 11, 0, 7); pen.stroke(); }
      const marked = this.marked?.device === device.device;
      if (this.showLabels && (close || marked)) {
        const tells = close ? telling(device.values ?? {}) : null;
        this.#label(`${device.name || device.device}${tells ? ` · ${valueText(...tells)}` : ""}`, x, y - 11, "#b9cbd9", marked ? 1 : 0);
      }
      pen.globalAlpha = 1;
    }
  }

  #drawMover(device, x, y, colour) {
    const { pen } = this, value = (name) => device.values?.[name]?.value;
    const vessel = device.kind === "vessel";
    const course = Number(vessel ? value("heading") ?? value("cog") : value("course"));
    const size = device.kind === "hazmat-truck" ? 7 : vessel ? 8 : 6;
    pen.save();
    pen.translate(x, y);
    if (Number.isFinite(course)) pen.rotate((course * Math.PI) / 180);
    pen.fillStyle = device.kind === "hazmat-truck" ? "#ff9a3c" : colour; pen.strokeStyle = "#0a131d"; pen.lineWidth = 1.3;
    pen.beginPath();
    if (!Number.isFinite(course)) pen.arc(0, 0, size * 0.7, 0, 7);
    else if (vessel) { pen.moveTo(0, -size * 1.25); pen.quadraticCurveTo(size * 0.75, -size * 0.3, size * 0.55, size); pen.lineTo(-size * 0.55, size); pen.quadraticCurveTo(-size * 0.75, -size * 0.3, 0, -size * 1.25); }
    else { pen.moveTo(0, -size * 1.2); pen.lineTo(size * 0.8, size * 0.85); pen.lineTo(0, size * 0.45); pen.lineTo(-size * 0.8, size * 0.85); pen.closePath(); }
    pen.fill(); pen.stroke();
    pen.restore();
  }

  #drawAlerts(now, wall) {
    const { pen } = this;
    for (const alert of this.alerts) {
      const place = this.placeOfAlert(alert, wall);
      if (!place) continue;
      const [x, y] = this.project(...place), colour = LEVEL_COLOURS[alert.level] ?? "#fff";
      const calm = alert.acknowledged_by || STILL.matches;
      for (const phase of calm ? [0.5] : [0, 0.5]) {
        const share = calm ? phase : (now / 1700 + phase) % 1;
        pen.globalAlpha = calm ? 0.7 : 1 - share;
        pen.strokeStyle = colour; pen.lineWidth = 3 - 2 * share;
        pen.beginPath(); pen.arc(x, y, 9 + share * 26, 0, 7); pen.stroke();
      }
      pen.globalAlpha = 0.22; pen.fillStyle = colour;
      pen.beginPath(); pen.arc(x, y, 15, 0, 7); pen.fill();
      pen.globalAlpha = 1;
      if (this.chosen?.alert === alert.alert || this.metresPerPixel() < 12) this.#label(alert.title || alert.subject, x, y - 24, colour, 2);
    }
  }

  #label(text, x, y, colour, weight = 0) { this.taken.push({ text: text.length > 60 ? `${text.slice(0, 58)}…` : text, x, y, colour, weight }); }

  /** Writes the weightiest first and leaves out what would cover another: 2 a warning, 1 chosen, 0 the rest. */
  #writeLabels() {
    const { pen } = this, boxes = [];
    pen.textAlign = "center"; pen.lineWidth = 3.5; pen.strokeStyle = "#0a131de6"; pen.lineJoin = "round";
    for (const label of this.taken.sort((a, b) => b.weight - a.weight)) {
      pen.font = `${label.weight === 2 ? "600 12px" : "11px"} system-ui, "Noto Sans CJK SC", sans-serif`;
      const half = pen.measureText(label.text).width / 2 + 3;
      const x = label.weight === 2 ? Math.max(half + 5, Math.min(this.canvas.clientWidth - half - 5, label.x)) : label.x;
      const box = [x - half, label.y - 11, x + half, label.y + 4];
      if (label.weight < 2 && boxes.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
      boxes.push(box);
      pen.fillStyle = label.colour;
      pen.strokeText(label.text, x, label.y);
      pen.fillText(label.text, x, label.y);
    }
  }

  shows(place) { const [x, y] = this.project(...place); return x > 30 && y > 30 && x < this.canvas.clientWidth - 30 && y < this.canvas.clientHeight - 30; }
  #inView(x, y) { return x > -40 && y > -40 && x < this.canvas.clientWidth + 40 && y < this.canvas.clientHeight + 40; }

  /** Where a moving thing is drawn: gliding from its last place to its newest over the time between reports. */
  #placeOf(device, wall) {
    if (!device.from) return device.position;
    const share = Math.min(1, (wall - device.since) / 2200);
    return [0, 1].map((axis) => device.from[axis] + (device.position[axis] - device.from[axis]) * share);
  }

  placeOfAlert(alert, wall = Date.now()) {
    const device = this.devices.get(alert.subject);
    return device?.position ? this.#placeOf(device, wall) : alert.position;
  }

  // ------------------------------------------------------------------------------------------------ hands

  #find(px, py) {
    const near = (place, reach) => { const [x, y] = this.project(...place); return Math.hypot(x - px, y - py) < reach; };
    const wall = Date.now();
    for (const alert of this.alerts) { const place = this.placeOfAlert(alert, wall); if (place && near(place, 16)) return { alert }; }
    let best = null, reach = 13;
    const weigh = (found, place) => { const [x, y] = this.project(...place), away = Math.hypot(x - px, y - py); if (away < reach) { reach = away; best = found; } };
    for (const device of this.devices.values()) if (device.position) weigh({ device }, this.#placeOf(device, wall));
    for (const camera of this.cameras.values()) weigh({ camera }, camera.position);
    return best;
  }

  #listen() {
    const { canvas } = this, fingers = new Map();
    let moved = 0, spread = 0;
    const at = (event) => [event.offsetX, event.offsetY];
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); fingers.set(event.pointerId, at(event)); moved = 0; spread = 0; });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId), here = at(event);
      if (!before) { const found = this.#find(...here); canvas.classList.toggle("point", Boolean(found)); this.onHover?.(found, here); return; }
      fingers.set(event.pointerId, here);
      moved += Math.hypot(here[0] - before[0], here[1] - before[1]);
      if (fingers.size === 2) {
        const [a, b] = [...fingers.values()], wide = Math.hypot(a[0] - b[0], a[1] - b[1]);
        if (spread) this.zoom(wide / spread, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
        spread = wide;
      } else if (moved > 3) { canvas.classList.add("drag"); this.pan(here[0] - before[0], here[1] - before[1]); }
    });
    const lift = (event) => {
      if (fingers.delete(event.pointerId) && moved <= 3 && event.type === "pointerup") this.onPick?.(this.#find(...at(event)));
      canvas.classList.remove("drag");
    };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", () => this.onHover?.(null));
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), at(event)); }, { passive: false });
    canvas.addEventListener("dblclick", (event) => this.zoom(2, at(event)));
    const keys = { ArrowLeft: [70, 0], ArrowRight: [-70, 0], ArrowUp: [0, 70], ArrowDown: [0, -70] };
    canvas.addEventListener("keydown", (event) => {
      if (keys[event.key]) this.pan(...keys[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(1.5);
      else if (event.key === "-") this.zoom(1 / 1.5);
      else if (event.key === "0") this.fit();
      else return;
      event.preventDefault();
    });
  }
}

const clampScale = (scale) => Math.max(256, Math.min(4e9, scale));

/** All rings of a GeoJSON Polygon or MultiPolygon; its parts do not overlap, so even-odd filling shows it. */
const ringsOf = (geometry) => (geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat());

/** The middle of a ring and how wide it is, for its name. */
function spanOf(ring) {
  const lons = ring.map((point) => point[0]), lats = ring.map((point) => point[1]);
  const west = Math.min(...lons), east = Math.max(...lons), lat = (Math.min(...lats) + Math.max(...lats)) / 2;
  return { middle: [(west + east) / 2, lat], wide_m: metresBetween([west, lat], [east, lat]) };
}
