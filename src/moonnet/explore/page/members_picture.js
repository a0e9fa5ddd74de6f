// What the members of an ensemble predict: a thin line for each, and shading where they disagree

import { drawGrid } from "./canvas.js";
import { shadeColor } from "./colors.js";

const LARGEST_SPREAD = 0.5; // standard deviation of probabilities
const LARGEST_SHARE = 0.2; // of a colour bar's range, for the darkest shade of a surface

// Classes: the decision boundary of each member
export function drawMemberBoundaries(context, rectangle, { header, arrays }, palette) {
  drawShade(context, rectangle, header, arrays.spread, LARGEST_SPREAD, palette);
  traceLines(context, rectangle, header.resolution, arrays.member_boundary, arrays.member_boundary_ends);
  strokeThinly(context, palette);
}

// Numbers over two features: no lines
export function drawMemberSurfaces(context, rectangle, { header, arrays }, palette) {
  const [lower, upper] = header.target.limits;
  drawShade(context, rectangle, header, arrays.spread, LARGEST_SHARE * (upper - lower), palette);
}

// Numbers over one feature: the curve of each member, and a band of two standard deviations around their mean unless
// there is a band of quantiles. trace adds a curve with these values to the context's path.
export function drawMemberCurves(context, { header, arrays }, trace, palette) {
  if (arrays.band === undefined) fillSpread(context, arrays, trace, palette);
  const { length } = arrays.prediction;
  context.beginPath();
  for (let member = 0; member < header.n_members; member += 1) {
    trace(arrays.member_prediction.subarray(member * length, (member + 1) * length), { isSeparate: true });
  }
  strokeThinly(context, palette);
}

function fillSpread(context, { prediction, spread }, trace, palette) {
  context.beginPath();
  trace(prediction.map((value, index) => value + 2 * spread[index]));
  trace(prediction.map((value, index) => value - 2 * spread[index]), { isBackwards: true });
  context.save();
  context.globalAlpha = 0.25;
  context.fillStyle = palette.text;
  context.fill();
  context.restore();
}

function drawShade(context, rectangle, header, spread, largest, palette) {
  drawGrid(context, rectangle, header.resolution, (index) => shadeColor(spread[index] / largest, palette));
}

function strokeThinly(context, palette) {
  context.save();
  context.globalAlpha = 0.6;
  context.strokeStyle = palette.text;
  context.lineWidth = 0.8;
  context.stroke();
  context.restore();
}

// Lines of points in grid steps, each up to one of the ends
export function traceLines(context, rectangle, resolution, points, ends) {
  const step = [rectangle.width, rectangle.height].map((length) => length / (resolution - 1));
  context.beginPath();
  let start = 0;
  for (const end of ends) {
    for (let index = start; index < end; index += 1) {
      const x = rectangle.x + points[2 * index] * step[0];
      const y = rectangle.y + rectangle.height - points[2 * index + 1] * step[1];
      if (index === start) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
    start = end;
  }
}
