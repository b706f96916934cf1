/** The two marks, drawn: strokes that take their colour from around them. Their words are elsewhere. */

import { makeSvg } from "./dom.js";

/** @param {string} mark "X" or "O" */
export function drawMark(mark) {
  const strokes =
    mark === "X"
      ? [stroke("path", { d: "M30 30L70 70" }), stroke("path", { d: "M70 30L30 70" })]
      : [stroke("circle", { cx: "50", cy: "50", r: "22" })];
  return makeSvg("svg", { viewBox: "22 22 56 56", "aria-hidden": "true", focusable: "false" }, ...strokes);
}

function stroke(tag, attributes) {
  return makeSvg(tag, { ...attributes, pathLength: "1" });
}
