// A zone whose shape somebody draws or changes on the map: its corners, and the hands on them, by mouse, finger and keys.

import { toLat, toLon } from "./view.js";

const REACH_PX = 13; // of a corner; a finger is not finer
const EDGE_PX = 9;
const STEP_PX = 8;
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Sketch {
  /**
   * `corners`: [lon, lat] each, without the first once more at the end. `open`: a click beside the shape is one corner more, as of a new zone; of one that is there
   * corners come out of its edges only. `changed(sketch)` is told of every change by hand.
   */
  constructor({ corners = [], open = true, changed = (_) => {} } = {}) {
    this.corners = corners.map(([lon, lat]) => [lon, lat]);
    this.open = open;
    this.picked = null; // number of the corner that keys move and take away
    this.changed = changed;
  }

  /** The corner at a place of the screen, or null; the nearest of several. */
  cornerAt(view, at) {
    const far = this.corners.map((corner) => distance(view.project(...corner), at)), near = Math.min(...far);
    return near <= REACH_PX ? far.indexOf(near) : null;
  }

  /** The number that a corner gets which comes out of the edge at a place of the screen, or null. */
  edgeAt(view, at) {
    if (this.corners.length < 3) return null;
    const shown = this.corners.map((corner) => view.project(...corner));
    const far = shown.map((from, index) => distanceToEdge(from, shown[(index + 1) % shown.length], at)), near = Math.min(...far);
    return near <= EDGE_PX ? far.indexOf(near) + 1 : null;
  }

  /** A click: picks a corner, else makes one of an edge, else (of a new zone) one more. */
  click(view, at) {
    const corner = this.cornerAt(view, at), edge = corner === null ? this.edgeAt(view, at) : null;
    if (corner !== null) this.picked = corner;
    else if (edge !== null) this.insert(edge, placeOf(view, at));
    else if (this.open) this.insert(this.corners.length, placeOf(view, at));
    else this.picked = null;
    this.changed(this);
  }

  /** The picked corner is pulled to a place of the screen. */
  pull(view, at) {
    this.corners[this.picked] = placeOf(view, at);
    this.changed(this);
  }

  insert(number, place) {
    this.corners.splice(number, 0, place);
    this.picked = number;
  }

  /** A corner more, halfway between the picked one and the next. */
  halve() {
    const many = this.corners.length;
    if (!many) return;
    const from = this.picked ?? many - 1, [a, b] = [this.corners[from], this.corners[(from + 1) % many]];
    this.insert(from + 1, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
    this.changed(this);
  }

  /** The picked corner goes, or the last one; the one before it is picked then. */
  remove() {
    if (!this.corners.length) return;
    const gone = this.picked ?? this.corners.length - 1;
    this.corners.splice(gone, 1);
    this.picked = this.corners.length ? (gone + this.corners.length - 1) % this.corners.length : null;
    this.changed(this);
  }

  /** The next corner is picked, or the one before (`way` -1). */
  turn(way) {
    const many = this.corners.length;
    if (!many) return;
    this.picked = this.picked === null ? (way > 0 ? 0 : many - 1) : (this.picked + way + many) % many;
    this.changed(this);
  }

  /** Whether the key was for the sketch: n and p turn to the next corner and the one before, arrows move it (with Shift by a pixel), i halves the edge behind it, Delete takes it away, Escape lets go of it. */
  key(event, view) {
    const way = WAYS[event.key];
    if (way && this.picked !== null) {
      const [x, y] = view.project(...this.corners[this.picked]), step = event.shiftKey ? 1 : STEP_PX;
      this.pull(view, [x + way[0] * step, y + way[1] * step]);
    } else if (event.key === "n" || event.key === "p") this.turn(event.key === "n" ? 1 : -1);
    else if (event.key === "i" || event.key === "Insert") this.halve();
    else if (event.key === "Delete" || event.key === "Backspace") this.remove();
    else if (event.key === "Escape" && this.picked !== null) { this.picked = null; this.changed(this); }
    else return false;
    return true;
  }

  draw(pen, view, look) {
    const shown = this.corners.map((corner) => view.project(...corner));
    if (!shown.length) return;
    pen.beginPath();
    shown.forEach((at, index) => { if (index) pen.lineTo(...at); else pen.moveTo(...at); });
    pen.closePath();
    pen.fillStyle = `${look.lit}24`; pen.fill();
    pen.strokeStyle = look.lit; pen.lineWidth = 2; pen.setLineDash([6, 4]); pen.stroke(); pen.setLineDash([]);
    shown.forEach((at, index) => {
      pen.beginPath(); pen.arc(...at, index === this.picked ? 8 : 5, 0, 7);
      pen.fillStyle = index === this.picked ? look.marked : look.lit; pen.fill();
      pen.strokeStyle = look.outline; pen.lineWidth = 1.5; pen.stroke();
    });
  }
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const placeOf = (view, at) => { const [x, y] = view.unproject(...at); return [toLon(x), toLat(y)]; };

function distanceToEdge(a, b, at) {
  const along = [b[0] - a[0], b[1] - a[1]], long = along[0] ** 2 + along[1] ** 2;
  const share = long ? Math.max(0, Math.min(1, ((at[0] - a[0]) * along[0] + (at[1] - a[1]) * along[1]) / long)) : 0;
  return distance([a[0] + share * along[0], a[1] + share * along[1]], at);
}
