// The legend below a downloaded picture of the plane

import { drawLine } from "./canvas.js";
import { curveMarks } from "./curve_picture.js";
import { PLANE_MARGIN } from "./plane_picture.js";
import { drawPoints } from "./points.js";

// The entries of a legend below the plane, in rows of at most this width, and the legend's height
export function layoutLegend(context, width, header, palette, { showsHeldOut, showsMembers }) {
  const [row, gap, left] = [20, 18, PLANE_MARGIN.left];
  const heldOut = header.picture === "surface" ? { label: 1, isFilled: true } : {}; // a square
  const marks = [["training", { isFilled: true }], ...(showsHeldOut ? [["held out", heldOut]] : [])];
  const entries = [
    ...header.classes.map((name, label) => (
      { text: name.length > 40 ? `${name.slice(0, 39)}…` : name, label, color: palette.classes[label], isFilled: true }
    )),
    ...marks.map(([text, mark]) => ({ text, label: 0, color: palette.muted, ...mark })),
    ...(header.target === null
      ? [{ text: "misclassified", label: 0, color: palette.muted, isFilled: true, isRinged: true }] : []),
    ...(header.picture === "curve" ? curveEntries(header, palette) : []),
    ...(showsMembers ? memberEntries(header, palette) : []),
  ];
  context.font = palette.font(12);
  let [x, y] = [left, row / 2];
  for (const entry of entries) {
    const needed = 14 + context.measureText(entry.text).width;
    if (x > left && x + needed > width - PLANE_MARGIN.right) [x, y] = [left, y + row];
    Object.assign(entry, { x, y });
    x += needed + gap;
  }
  return { entries, height: y + row };
}

// The line of the predictions, and the band between several quantiles
export function curveEntries(header, palette) {
  const { line, band } = curveMarks(header);
  return [
    { text: line, color: palette.text, lineWidth: 2.5 },
    ...(band ? [{ text: band, color: palette.positiveLine, lineWidth: 10, opacity: 0.22 }] : []),
  ];
}

// The lines of the members of an ensemble, and the shade or band where they disagree
export function memberEntries(header, palette) {
  if (header.n_members === 1) return [];
  const line = { text: "members", color: palette.text, lineWidth: 0.8, opacity: 0.6 };
  const shade = { text: "members disagree", color: palette.text, lineWidth: 10, opacity: 0.4 };
  if (header.picture === "regions") return [line, shade];
  if (header.picture === "surface") return [shade];
  return header.quantiles.length > 1 ? [line] : [line, { ...shade, text: "two standard deviations", opacity: 0.25 }];
}

export function drawLegend(context, top, entries, palette) {
  context.font = palette.font(12);
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { text, label, color, isFilled, isRinged, lineWidth, opacity = 1, x, y } of entries) {
    if (lineWidth !== undefined) {
      Object.assign(context, { strokeStyle: color, lineWidth, globalAlpha: opacity });
      drawLine(context, x - 4, top + y, x + 12, top + y);
      context.globalAlpha = 1;
    } else {
      const scale = { toX: () => x + 4, toY: () => top + y };
      const colors = { ...palette, classes: { [label]: color } };
      drawPoints(context, scale, [0, 0], [label], [isRinged], colors, { isFilled, zoom: 1 });
    }
    context.fillStyle = palette.text;
    context.fillText(text, x + 16, top + y);
  }
}
