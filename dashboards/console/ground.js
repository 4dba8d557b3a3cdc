// What does not move: base map, water, zones, buildings, the ground that cameras cover. Painted into a picture that is a margin wider than the view;
// while the view moves, the picture moves with it, and it is painted anew at most a few times a second.

import { Basemap } from "./basemap.js";
import { metresBetween, toLat, toLon } from "./view.js";

const MARGIN = 0.25; // of the view, on each side
const ANEW_MS = 220;
const ZONES = { restricted: ["#ff5a52", [6, 4]], bridge: ["#d9a520", [7, 5]], anchorage: ["#2aa9b0", [2, 5]], "hazmat-route": ["#ff9a3c", [10, 6]], plant: ["#9a70f0", []], school: ["#c9a800", []] };

export class Ground {
  constructor() {
    this.zones = [];
    this.buildings = [];
    this.cameras = new Map();
    this.showSectors = true;
    this.picture = null;
    this.stale = true;
    this.names = []; // of zones and places, for the labels: { text, x, y } at the time of painting
    this.basemap = new Basemap(() => { this.stale = true; });
  }

  setCity(city) {
    this.zones = (city.zones ?? []).map((zone) => ({ ...zone, water: zone.kind === "water", ...spanOf(zone.rings[0]) }));
    this.zones.sort((a, b) => Number(b.water) - Number(a.water));
    this.buildings = city.buildings ?? [];
    this.cameras = new Map((city.cameras ?? []).filter((camera) => camera.position).map((camera) => [camera.camera, camera]));
    this.stale = true;
    if (!this.basemap.archive) this.basemap.open();
  }

  /** Draws the picture where the view is now. */
  draw(pen, view, ratio, colours, now) {
    const made = this.picture?.view, theme = this.picture?.colours;
    const moved = !made || made.x !== view.x || made.y !== view.y || made.scale !== view.scale;
    const resized = !made || made.width !== view.width || made.height !== view.height;
    const old = moved && now - (this.picture?.at ?? 0) > ANEW_MS;
    if (!made || resized || theme !== colours || (this.stale && now - this.picture.at > ANEW_MS / 2) || old) this.#paint(view, ratio, colours, now);
    const shot = this.picture, grown = view.scale / shot.view.scale;
    const [left, top] = view.place(shot.view.x, shot.view.y);
    pen.fillStyle = colours.land;
    pen.fillRect(0, 0, view.width, view.height);
    pen.drawImage(shot.canvas, left - (shot.width / 2) * grown, top - (shot.height / 2) * grown, shot.width * grown, shot.height * grown);
  }

  #paint(view, ratio, colours, now) {
    this.stale = false;
    const width = Math.round(view.width * (1 + 2 * MARGIN)), height = Math.round(view.height * (1 + 2 * MARGIN));
    const canvas = this.picture?.canvas ?? document.createElement("canvas");
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    const wide = Object.assign(Object.create(Object.getPrototypeOf(view)), view, { width, height });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colours.land;
    pen.fillRect(0, 0, width, height);
    this.names = [];
    for (const zone of this.zones) if (zone.water) {
      trace(pen, wide, zone.rings);
      pen.fillStyle = colours.water; pen.fill("evenodd");
      pen.strokeStyle = colours.shore; pen.lineWidth = 1.2; pen.stroke();
    }
    const places = this.basemap.draw(pen, wide, colours);
    this.#graticule(pen, wide, colours);
    if (!this.basemap.archive) for (const zone of this.zones) if (zone.kind === "road") {
      trace(pen, wide, zone.rings);
      pen.fillStyle = pen.strokeStyle = colours.road;
      pen.fill(); pen.lineWidth = 1.5; pen.stroke();
    }
    for (const zone of this.zones) if (!zone.water && zone.kind !== "road") this.#zone(pen, wide, zone, colours);
    pen.fillStyle = colours.building;
    if (view.metresPerPixel() < 5) for (const rings of this.buildings) { trace(pen, wide, rings); pen.fill("evenodd"); }
    if (this.showSectors) this.#sectors(pen, wide, colours);
    const dx = (width - view.width) / 2, dy = (height - view.height) / 2;
    for (const place of places) this.names.push({ text: place.text, at: wide.unproject(place.x, place.y), colour: colours.place, rank: place.rank });
    this.picture = { canvas, width, height, dx, dy, at: now, colours, view: { x: view.x, y: view.y, scale: view.scale, width: view.width, height: view.height } };
  }

  #zone(pen, view, zone, colours) {
    const [line, dash] = ZONES[zone.kind] ?? [colours.zone, []];
    trace(pen, view, zone.rings);
    pen.fillStyle = `${line}12`; pen.fill("evenodd");
    pen.strokeStyle = `${line}77`; pen.lineWidth = 1; pen.setLineDash(dash); pen.stroke(); pen.setLineDash([]);
    if (zone.wide_m / view.metresPerPixel() > 75) this.names.push({ text: zone.name, at: view.unproject(...view.project(...zone.middle)), colour: colours.place, rank: 5 });
  }

  #sectors(pen, view, colours) {
    for (const camera of this.cameras.values()) {
      if (!camera.footprint || !view.inView(...view.project(...camera.position), 600)) continue;
      trace(pen, view, ringsOf(camera.footprint));
      if (!camera.ptz) { pen.fillStyle = colours.sector; pen.fill("evenodd"); }
      pen.strokeStyle = colours.sectorLine; pen.lineWidth = camera.ptz ? 0.4 : 0.8; pen.stroke();
    }
  }

  #graticule(pen, view, colours) {
    const [x0, y0] = view.unproject(0, 0), [x1, y1] = view.unproject(view.width, view.height);
    const west = toLon(x0), east = toLon(x1), north = toLat(y0), south = toLat(y1);
    const step = [20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002].find((size) => (east - west) / size > 4) ?? 0.001;
    pen.strokeStyle = colours.grid; pen.lineWidth = 1;
    for (let lon = Math.ceil(west / step) * step; lon < east; lon += step) {
      const [x] = view.project(lon, 0);
      pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, view.height); pen.stroke();
    }
    for (let lat = Math.ceil(south / step) * step; lat < north; lat += step) {
      const [, y] = view.project(0, lat);
      pen.beginPath(); pen.moveTo(0, y); pen.lineTo(view.width, y); pen.stroke();
    }
  }
}

/** A path along all rings. */
export function trace(pen, view, rings) {
  pen.beginPath();
  for (const ring of rings) {
    ring.forEach((point, index) => { const [x, y] = view.project(point[0], point[1]); if (index) pen.lineTo(x, y); else pen.moveTo(x, y); });
    pen.closePath();
  }
}

/** All rings of a GeoJSON Polygon or MultiPolygon; its parts do not overlap, so even-odd filling shows it. */
export const ringsOf = (geometry) => (geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat());

/** The middle of a ring and how wide it is, for its name. */
function spanOf(ring) {
  const lons = ring.map((point) => point[0]), lats = ring.map((point) => point[1]);
  const west = Math.min(...lons), east = Math.max(...lons), lat = (Math.min(...lats) + Math.max(...lats)) / 2;
  return { middle: [(west + east) / 2, lat], wide_m: metresBetween([west, lat], [east, lat]) };
}
