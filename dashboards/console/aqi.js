// The Chinese air quality index: its pollutants, and the classes with their colours (HJ 633-2026, Annex A).

export const POLLUTANTS = ["so2", "no2", "co", "o3", "pm10", "pm25"];
/** Upper end, colour, key of the name, best first. @type {[number, string, string][]} */
export const CLASSES = [[50, "#00e400", "class_1"], [100, "#e6e600", "class_2"], [150, "#ff7e00", "class_3"], [200, "#ff0000", "class_4"], [300, "#99004c", "class_5"], [Infinity, "#7e0023", "class_6"]];

/** The class of an index: its colour and the key of its name. */
export const classOf = (aqi) => { const [, colour, name] = CLASSES.find(([upper]) => aqi <= upper); return { colour, name }; };
