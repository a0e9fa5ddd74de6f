// Numbers over one feature: the predictions as a curve, and the samples

import { drawPoints } from "./points.js";

export function drawCurvePicture(context, rectangle, scale, { header, arrays }, palette, { showsHeldOut, zoom, unit }) {
  const [[left, right]] = header.axes.map((axis) => axis.limits);
  const { prediction } = arrays;
  const toX = (index) => scale.toX(left + (index / (prediction.length - 1)) * (right - left));
  const colors = { ...palette, classes: [palette.classes[1]] };
  const draw = (points, options) => {
    const none = new Uint8Array(points.length / 2); // neither classes nor misclassified samples
    drawPoints(context, scale, points, none, none, colors, { zoom, ...options });
  };
  if (showsHeldOut) draw(arrays.test_points, {});
  draw(arrays.points, { isFilled: true });
  if (unit === null) drawPrediction(context, prediction, toX, scale, palette, zoom);
}

function drawPrediction(context, prediction, toX, scale, palette, zoom) {
  context.beginPath();
  prediction.forEach((value, index) => {
    if (Number.isFinite(value)) context.lineTo(toX(index), clampPixel(scale.toY(value)));
  });
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
