// Where the map looks: Web Mercator, from longitude and latitude to pixels and back.

const EARTH_M = 40_075_016.686; // round the equator (WGS-84)

export const mercatorX = (lon) => (lon + 180) / 360;
export const mercatorY = (lat) => 0.5 - Math.log(Math.tan(Math.PI / 4 + (Math.max(-85, Math.min(85, lat)) * Math.PI) / 360)) / (2 * Math.PI);
export const toLon = (x) => x * 360 - 180;
export const toLat = (y) => (Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) * 360) / Math.PI - 90;
const ease = (t) => (t < 0.5 ? 4 * t ** 3 : 1 - (-2 * t + 2) ** 3 / 2);
const clampScale = (scale) => Math.max(256, Math.min(4e9, scale));

/** Metres between two places, [lon, lat] each, on the mean sphere. */
export function metresBetween(a, b) {
  const rad = Math.PI / 180;
  const h = Math.sin(((b[1] - a[1]) * rad) / 2) ** 2 + Math.cos(a[1] * rad) * Math.cos(b[1] * rad) * Math.sin(((b[0] - a[0]) * rad) / 2) ** 2;
  return 12_742_017.6 * Math.asin(Math.min(1, Math.sqrt(h)));
}

export class View {
  /** `still()`: whether movement is not wanted. */
  constructor(still) {
    this.still = still;
    this.x = 0.5; // centre in Mercator units, 0 to 1
    this.y = 0.5;
    this.scale = 256; // pixels for the whole world
    this.width = 0;
    this.height = 0;
    this.flight = null;
    this.movedAt = 0;
  }

  project(lon, lat) { return this.place(mercatorX(lon), mercatorY(lat)); }
  place(mx, my) { return [(mx - this.x) * this.scale + this.width / 2, (my - this.y) * this.scale + this.height / 2]; }
  unproject(px, py) { return [(px - this.width / 2) / this.scale + this.x, (py - this.height / 2) / this.scale + this.y]; }
  /** Longitude and latitude in the middle. */
  middle() { return [toLon(this.x), toLat(this.y)]; }
  metresPerUnit() { return EARTH_M * Math.cos((toLat(this.y) * Math.PI) / 180); }
  metresPerPixel() { return this.metresPerUnit() / this.scale; }
  inView(x, y, margin = 40) { return x > -margin && y > -margin && x < this.width + margin && y < this.height + margin; }
  shows(place) { const [x, y] = this.project(place[0], place[1]); return this.inView(x, y, -30); }

  /** @param {number} factor @param {number[]} at */
  zoom(factor, at = [this.width / 2, this.height / 2]) {
    const before = this.unproject(at[0], at[1]);
    this.flight = null;
    this.scale = clampScale(this.scale * factor);
    const after = this.unproject(at[0], at[1]);
    this.x += before[0] - after[0];
    this.y += before[1] - after[1];
    this.movedAt = performance.now();
  }

  pan(dx, dy) {
    this.flight = null;
    this.x -= dx / this.scale;
    this.y = Math.max(0, Math.min(1, this.y - dy / this.scale));
    this.movedAt = performance.now();
  }

  /** These bounds, [west, south, east, north], filling the view. */
  fit(bounds, smooth) {
    const [west, south, east, north] = bounds, width = this.width || 800, height = this.height || 600;
    const spanX = Math.max(1e-7, mercatorX(east) - mercatorX(west)), spanY = Math.max(1e-7, mercatorY(south) - mercatorY(north));
    const scale = Math.min((width - 90) / spanX, (height - 90) / spanY);
    this.go({ x: mercatorX((west + east) / 2), y: (mercatorY(north) + mercatorY(south)) / 2, scale }, smooth);
  }

  /** Brings these places into view, [lon, lat] each, at least `wide_m` metres wide. */
  flyTo(places, wide_m = 450) {
    const xs = places.map((place) => mercatorX(place[0])), ys = places.map((place) => mercatorY(place[1]));
    const x = (Math.min(...xs) + Math.max(...xs)) / 2, y = (Math.min(...ys) + Math.max(...ys)) / 2;
    const span = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), wide_m / (EARTH_M * Math.cos((toLat(y) * Math.PI) / 180)));
    this.go({ x, y, scale: (Math.min(this.width, this.height) * 0.6) / span }, true);
  }

  go(target, smooth) {
    target.scale = clampScale(target.scale);
    this.movedAt = performance.now();
    if (!smooth || this.still()) { Object.assign(this, target); this.flight = null; return; }
    this.flight = { from: { x: this.x, y: this.y, scale: this.scale }, to: target, began: performance.now(), lasts: 900 };
  }

  /** Moves along a flight; whether there is one. */
  fly(now) {
    if (!this.flight) return false;
    const { from, to, began, lasts } = this.flight;
    const share = Math.min(1, (now - began) / lasts), t = ease(share);
    // Zoom in the logarithm; the centre follows the zoom so that the way looks straight.
    const scale = Math.exp(Math.log(from.scale) + (Math.log(to.scale) - Math.log(from.scale)) * t);
    const way = Math.abs(1 - from.scale / to.scale) < 1e-3 ? t : (1 / scale - 1 / from.scale) / (1 / to.scale - 1 / from.scale);
    Object.assign(this, { x: from.x + (to.x - from.x) * way, y: from.y + (to.y - from.y) * way, scale });
    this.movedAt = now;
    if (share === 1) this.flight = null;
    return true;
  }
}
