// The picture of loss or accuracy by epoch on a canvas

import { ticks, tickLabels } from "./scales.js";

export function curvesRectangle(width, height) {
  return { x: 44, y: 8, width: width - 54, height: height - 32 };
}

// The epoch nearest to a pixel
export function epochAt(x, rectangle, nEpochs) {
  const share = (x - rectangle.x) / rectangle.width;
  return 1 + Math.round(Math.min(1, Math.max(0, share)) * (nEpochs - 1));
}

// Functions from epochs and values to pixels. The axis begins just below the smallest value and ends at the upper limit;
// without limits, it goes from 0 to just above the largest value. null if the curves have no values.
function curvesScale(rectangle, curves, limits) {
  const all = curves.flatMap(({ values }) => values.filter((value) => value !== null));
  if (all.length === 0) return null;
  const nEpochs = Math.max(1, ...curves.map(({ values }) => values.length));
  const upper = limits ? limits[1] : Math.min(Number.MAX_VALUE, Math.max(...all) * 1.05) || 1;
  const lower = limits ? Math.min(limits[1] - 0.1, Math.min(...all) - 0.02) : 0;
  return {
    lower, upper, nEpochs,
    toX: (epoch) => rectangle.x + ((epoch - 1) / Math.max(1, nEpochs - 1)) * rectangle.width,
    toY: (value) => rectangle.y + ((upper - value) / (upper - lower)) * rectangle.height,
  };
}

// Each curve has values, color, dash and isFaded
export function drawCurves(context, width, height, curves, { markedEpoch, pointedEpoch }, palette, { label, limits }) {
  const rectangle = curvesRectangle(width, height);
  const scale = curvesScale(rectangle, curves, limits);
  if (scale === null) return;
  drawCurveAxes(context, rectangle, scale, label, palette);
  for (const curve of curves) drawCurve(context, scale, curve);
  for (const [epoch, color] of [[markedEpoch, palette.accent], [pointedEpoch, palette.muted]]) {
    if (epoch === null || epoch < 1) continue;
    context.beginPath();
    context.moveTo(scale.toX(epoch), rectangle.y);
    context.lineTo(scale.toX(epoch), rectangle.y + rectangle.height);
    context.strokeStyle = color;
    context.lineWidth = 1.5;
    context.stroke();
  }
}

function drawCurveAxes(context, rectangle, scale, label, palette) {
  context.font = palette.font(11);
  context.fillStyle = palette.muted;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  const values = ticks(scale.lower, scale.upper, 3);
  tickLabels(values).forEach((tickLabel, index) => {
    const y = scale.toY(values[index]);
    context.beginPath();
    context.moveTo(rectangle.x, y);
    context.lineTo(rectangle.x + rectangle.width, y);
    context.stroke();
    context.fillText(tickLabel, rectangle.x - 5, y, rectangle.x - 17);
  });
  context.textBaseline = "top";
  context.textAlign = "left";
  context.fillText("1", rectangle.x, rectangle.y + rectangle.height + 5);
  context.textAlign = "right";
  const last = scale.nEpochs === 1 ? "1 epoch" : `${scale.nEpochs} epochs`;
  context.fillText(last, rectangle.x + rectangle.width, rectangle.y + rectangle.height + 5);
  context.save();
  context.translate(11, rectangle.y + rectangle.height / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(label, 0, 0);
  context.restore();
}

function drawCurve(context, scale, { values, color, dash, isFaded }) {
  context.save();
  context.globalAlpha = isFaded ? 0.3 : 1;
  context.beginPath();
  values.forEach((value, index) => {
    if (value !== null) context.lineTo(scale.toX(index + 1), scale.toY(value));
  });
  context.setLineDash(dash);
  context.strokeStyle = color;
  context.lineWidth = 2;
  context.stroke();
  context.restore();
}
