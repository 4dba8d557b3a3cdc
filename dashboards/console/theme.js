// Dark for the night shift, light for the day: what the operator chose, else what the system says. Style sheets read data-theme; the map asks here.

const MAPS = {
  dark: {
    land: "#14202b", water: "#0b2233", shore: "#2b556f", green: "#14291f", road: "#26394a", rail: "#3a3147", building: "#1d2b38", place: "#8fa6ba", grid: "#ffffff0d", gridText: "#5d748899", halo: "#0a131de6",
    outline: "#0a131d", label: "#b9cbd9", camera: "#6d8aa3", lit: "#5cc8ff", litText: "#bfe8ff", sector: "#7fd3ff12", sectorLine: "#7fd3ff2c", marked: "#ffffff", zone: "#8fa6ba",
    levels: { blue: "#4f9dff", yellow: "#f4d03f", orange: "#ff9a3c", red: "#ff5a52" },
  },
  light: {
    land: "#f2f1ec", water: "#bcd9ea", shore: "#7fa9c2", green: "#dbe8d0", road: "#ffffff", rail: "#c9c2d0", building: "#dcd8cf", place: "#4a5965", grid: "#00000012", gridText: "#5d6a7499", halo: "#ffffffe6",
    outline: "#ffffff", label: "#26343f", camera: "#5b7286", lit: "#0067a3", litText: "#00507f", sector: "#0067a31a", sectorLine: "#0067a344", marked: "#000000", zone: "#5b7286",
    levels: { blue: "#0b5fd0", yellow: "#8a6d00", orange: "#b45300", red: "#c2160d" },
  },
};
const light = matchMedia("(prefers-color-scheme: light)");
let chosen = "";
try { chosen = localStorage.getItem("cityhub.theme") ?? ""; } catch { /* the system decides */ }

export const theme = () => (chosen in MAPS ? chosen : light.matches ? "light" : "dark");
export const colours = () => MAPS[theme()];

export function switchTheme() {
  chosen = theme() === "dark" ? "light" : "dark";
  try { localStorage.setItem("cityhub.theme", chosen); } catch { /* not kept, then */ }
  show();
}

export function show() { document.documentElement.dataset.theme = theme(); }
light.addEventListener("change", show);
show();
