// A camera's still picture, which the hub fetches when somebody asks for it. The page reaches no camera, and no login reaches the page.

import { h, spoken } from "./parts.js";
import { language, momentText, refusalText, say } from "./words.js";

const KEPT = 20;

export function picturesOf({ source }) {
  const kept = new Map(); // camera → its box, which outlives the card that shows it

  async function fill(box, camera, name) {
    box.canvas.hidden = true;
    box.said.textContent = "…";
    try {
      const drawn = await createImageBitmap(await source.blob(`/api/v1/cameras/${encodeURIComponent(camera)}/picture`));
      Object.assign(box.canvas, { width: drawn.width, height: drawn.height, hidden: false });
      box.canvas.getContext("2d").drawImage(drawn, 0, 0);
      box.canvas.setAttribute("aria-label", `${say("picture")} ${name}`);
      box.said.textContent = momentText(Date.now());
    } catch (error) { box.said.replaceChildren(...spoken(`${say("nopicture")} ${refusalText(error)}`)); }
  }

  return {
    /** A button and, once it was pressed, the picture of that moment. */
    box(camera, name) {
      let box = kept.get(camera);
      if (!box || box.language !== language()) {
        const canvas = /** @type {any} */ (h("canvas", { role: "img", "aria-label": `${say("picture")} ${name}`, hidden: true })), said = h("span", { class: "sub", role: "status" });
        box = { language: language(), canvas, said };
        box.whole = h("div", { class: "picture" }, h("button", { type: "button", "data-picture": camera, "data-focus": `picture ${camera}`, onclick: () => fill(box, camera, name) }, say("picture")), said, canvas);
        kept.set(camera, box);
        if (kept.size > KEPT) kept.delete(kept.keys().next().value);
      }
      return box.whole;
    },
  };
}
