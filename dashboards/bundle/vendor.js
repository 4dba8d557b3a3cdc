// What the console uses from others, and nothing else of it: read base maps, draw curves.
export { VectorTile } from "@mapbox/vector-tile";
export { PbfReader } from "pbf";
export { PMTiles } from "pmtiles";
export { default as Plot } from "uplot";
