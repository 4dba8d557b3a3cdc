// The base map: vector tiles out of one PMTiles file that the hub serves, read by ranges, kept as paths, drawn under everything else.

import { others } from "./others.js";

const TILES_KEPT = 160;
const AT_ONCE = 6;
const LAYERS = ["green", "water", "rail", "road", "building", "place"];
const ROAD_PX = { major: 5, medium: 3.4, minor: 2 };
const ADDRESS = "/tiles/basemap.pmtiles";

export class Basemap {
  /** `ready()`: called whenever more of it can be drawn. */
  constructor(ready) {
    this.ready = ready;
    this.tiles = new Map(); // "z/x/y" → layers, or null where there is none
    this.asked = new Set();
    this.archive = null;
  }

  /** Whether the city has one; false also where the console was not built (`make console`). */
  async open() {
    try {
      const given = await fetch(ADDRESS, { headers: { range: "bytes=0-6" } });
      if (!given.ok) return false;
      const { PMTiles, VectorTile, PbfReader } = await others();
      this.read = (bytes) => new VectorTile(new PbfReader(new Uint8Array(bytes)));
      this.archive = new PMTiles(new URL(ADDRESS, location.href).href);
      this.head = await this.archive.getHeader();
      this.ready();
      return true;
    } catch (error) {
      console.info("no base map:", error);
      this.archive = null;
      return false;
    }
  }

  /** Draws what is there of the view and asks for the rest. */
  draw(pen, view, colours) {
    if (!this.archive) return [];
    const zoom = Math.max(this.head.minZoom, Math.min(this.head.maxZoom, Math.round(Math.log2(view.scale / 512))));
    const many = 2 ** zoom, [x0, y0] = view.unproject(0, 0), [x1, y1] = view.unproject(view.width, view.height);
    const range = (low, high) => Array.from({ length: Math.max(0, Math.min(many - 1, Math.floor(high * many)) - Math.max(0, Math.floor(low * many)) + 1) }, (_, n) => Math.max(0, Math.floor(low * many)) + n);
    const names = [], wanted = range(x0, x1).flatMap((x) => range(y0, y1).map((y) => [x, y]));
    if (wanted.length > 60) return [];
    const tiles = wanted.map(([x, y]) => [x, y, this.#tile(zoom, x, y)]).filter((item) => item[2]);
    for (const layer of LAYERS) for (const [x, y, tile] of tiles) {
      const size = view.scale / many, [left, top] = view.place(x / many, y / many);
      for (const item of tile[layer] ?? []) {
        if (layer === "place") { names.push({ text: item.name, x: left + item.at[0] * size, y: top + item.at[1] * size, rank: item.rank }); continue; }
        pen.save();
        pen.beginPath(); pen.rect(left, top, size + 0.5, size + 0.5); pen.clip();
        pen.translate(left, top); pen.scale(size, size);
        if (layer === "road" || layer === "rail") {
          const wide = layer === "rail" ? 1.2 : (ROAD_PX[item.class] ?? 2) * Math.min(2, Math.max(0.5, 6 / view.metresPerPixel() / 2));
          pen.strokeStyle = colours[layer]; pen.lineWidth = wide / size; pen.lineCap = pen.lineJoin = "round";
          pen.stroke(item.path);
        } else { pen.fillStyle = colours[layer]; pen.fill(item.path, "evenodd"); }
        pen.restore();
      }
    }
    return names;
  }

  #tile(z, x, y) {
    const name = `${z}/${x}/${y}`, known = this.tiles.get(name);
    if (known !== undefined) { this.tiles.delete(name); this.tiles.set(name, known); return known; }
    if (!this.asked.has(name) && this.asked.size < AT_ONCE) {
      this.asked.add(name);
      this.archive.getZxy(z, x, y)
        .then((found) => this.tiles.set(name, found ? this.#layers(this.read(found.data)) : null))
        .catch((error) => { console.info("a tile of the base map cannot be read:", error); this.tiles.set(name, null); })
        .finally(() => {
          this.asked.delete(name);
          while (this.tiles.size > TILES_KEPT) this.tiles.delete(this.tiles.keys().next().value);
          this.ready();
        });
    }
    return null;
  }

  /** Paths by layer, in a square of one by one. Features of one class share a path, so that a tile is few strokes. */
  #layers(tile) {
    const made = {};
    for (const layer of LAYERS) {
      const source = tile.layers[layer], classes = new Map();
      made[layer] = [];
      for (let number = 0; number < (source?.length ?? 0); number += 1) {
        const feature = source.feature(number), lines = feature.loadGeometry(), part = 1 / source.extent;
        if (layer === "place") { made[layer].push({ name: String(feature.properties.name ?? ""), at: [lines[0][0].x * part, lines[0][0].y * part], rank: Number(feature.properties.rank ?? 9) }); continue; }
        const kind = String(feature.properties.class ?? "");
        const path = classes.get(kind) ?? new Path2D();
        classes.set(kind, path);
        for (const line of lines) {
          line.forEach((point, index) => (index ? path.lineTo(point.x * part, point.y * part) : path.moveTo(point.x * part, point.y * part)));
          if (feature.type === 3) path.closePath();
        }
      }
      for (const [kind, path] of classes) made[layer].push({ class: kind, path });
    }
    return made;
  }
}
