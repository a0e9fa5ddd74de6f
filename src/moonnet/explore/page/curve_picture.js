// Numbers over one feature: the predictions as a curve, and the samples

import { drawMemberCurves } from "./members_picture.js";
import { drawPoints } from "./points.js";

export function drawCurvePicture(context, rectangle, scale, view, palette, { showsHeldOut, showsMembers, zoom, unit }) {
  const { header, arrays } = view;
  const [[left, right]] = header.axes.map((axis) => axis.limits);
  const { prediction } = arrays;
  const toX = (index) => scale.toX(left + (index / (prediction.length - 1)) * (right - left));
  const colors = { ...palette, classes: [palette.classes[1]] };
  const draw = (points, options) => {
    const none = new Uint8Array(points.length / 2); // neither classes nor misclassified samples
    drawPoints(context, scale, points, none, none, colors, { zoom, ...options });
  };
  if (unit === null && arrays.band) drawBand(context, arrays.band, toX, scale, palette);
  if (showsHeldOut) draw(arrays.test_points, {});
  draw(arrays.points, { isFilled: true });
  if (unit !== null) return;
  const trace = (values, options) => traceCurve(context, values, toX, scale, options);
  if (showsMembers) drawMemberCurves(context, view, trace, palette);
  context.beginPath();
  trace(prediction);
  strokeClearly(context, palette, zoom);
}

// What the line and the band show; there is a band only between several quantiles
export function curveMarks({ quantiles }) {
  const [lowest, highest] = [quantiles[0], quantiles.at(-1)];
  if (quantiles.length > 1) return { line: "middle quantile", band: `quantiles ${lowest} to ${highest}` };
  return { line: quantiles.length === 1 ? `quantile ${lowest}` : "prediction" };
}

// The area between the lowest and the highest quantile
function drawBand(context, band, toX, scale, palette) {
  const edges = [0, 1].map((edge) => Array.from({ length: band.length / 2 }, (_, index) => (
    [toX(index), clampPixel(scale.toY(band[2 * index + edge]))]
  )).filter(([, y]) => Number.isFinite(y)));
  context.beginPath();
  for (const [x, y] of [...edges[0], ...edges[1].reverse()]) context.lineTo(x, y);
  context.closePath();
  context.save();
  context.fillStyle = palette.positiveLine;
  context.globalAlpha = 0.22;
  context.fill();
  context.restore();
}

// Add a curve to the path, as a line of its own or connected with the last point
function traceCurve(context, values, toX, scale, { isSeparate = false, isBackwards = false } = {}) {
  let isFirst = isSeparate;
  for (let at = 0; at < values.length; at += 1) {
    const index = isBackwards ? values.length - 1 - at : at;
    if (!Number.isFinite(values[index])) continue;
    const point = [toX(index), clampPixel(scale.toY(values[index]))];
    if (isFirst) context.moveTo(...point);
    else context.lineTo(...point);
    isFirst = false;
  }
}

function strokeClearly(context, palette, zoom) {
  context.lineJoin = "round";
  for (const [color, width] of [[palette.background, 5], [palette.text, 2.5]]) {
    context.strokeStyle = color;
    context.lineWidth = width * zoom;
    context.stroke();
  }
}

// Browsers draw no lines to points that are extremely far away
function clampPixel(pixel) {
  return Math.min(1e5, Math.max(-1e5, pixel));
}
