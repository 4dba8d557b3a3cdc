// A sound and a notice of the system on a new red warning and on a lost connection. A browser plays nothing before somebody has clicked; that is shown, not hidden.

import { say } from "./words.js";

let wanted = false, context = null;
try { wanted = localStorage.getItem("cityhub.sound") === "on"; } catch { /* off, then */ }

/** "off", "on", or "blocked": wanted, but the browser waits for a click. */
export const soundState = () => (!wanted ? "off" : context?.state === "running" ? "on" : "blocked");

/** Off to on, with a sound to try it; on to off. Only after a click or a key. */
export async function switchSound() {
  wanted = soundState() !== "on";
  try { localStorage.setItem("cityhub.sound", wanted ? "on" : "off"); } catch { /* not kept, then */ }
  if (!wanted) return;
  await wake();
  if (typeof Notification === "function" && Notification.permission === "default") Notification.requestPermission().catch(() => {});
  play();
}

/** A page that was loaded with the sound on may play after the first click anywhere. */
export async function wake() {
  if (!wanted) return;
  try { context ??= new AudioContext(); await context.resume(); } catch { context = null; }
}

export function alarm(text) {
  if (!wanted) return;
  play();
  try { if (Notification.permission === "granted") new Notification(say("titleAlarm"), { body: text, tag: "cityhub" }); } catch { /* no notices here */ }
}

/** Two tones, three times. */
function play() {
  if (context?.state !== "running") return;
  const loud = context.createGain();
  loud.gain.value = 0.2;
  loud.connect(context.destination);
  for (let turn = 0; turn < 6; turn += 1) {
    const tone = context.createOscillator();
    tone.frequency.value = turn % 2 ? 660 : 880;
    tone.connect(loud);
    tone.start(context.currentTime + turn * 0.22);
    tone.stop(context.currentTime + turn * 0.22 + 0.18);
  }
}
