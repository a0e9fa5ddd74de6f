// Numbers over two features: the predictions as colours, the samples in the colours of their numbers, and a colour bar

import { drawGrid, drawLine, drawVerticalText } from "./canvas.js";
import { cssOfPixel, numberColor } from "./colors.js";
import { drawMemberSurfaces } from "./members_picture.js";
import { traceShape } from "./points.js";
import { ticks, tickLabels } from "./scales.js";

export const COLOR_BAR_WIDTH = 72; // right of the plane, with its labels

export function drawSurfacePicture(context, rectangle, scale, view, palette, options) {
  const { showsHeldOut, showsMembers, zoom, unit } = options;
  const { header, arrays } = view;
  const { limits } = header.target;
  if (unit === null) {
    drawGrid(context, rectangle, header.resolution, (index) => numberColor(arrays.prediction[index], limits, palette));
    if (showsMembers) drawMemberSurfaces(context, rectangle, view, palette);
  }
  const draw = (points, values, shape, radius) => values.forEach((value, index) => {
    traceShape(context, shape, scale.toX(points[2 * index]), scale.toY(points[2 * index + 1]), zoom * radius);
    context.fillStyle = cssOfPixel(numberColor(value, limits, palette));
    context.fill();
    context.strokeStyle = palette.text;
    context.stroke();
  });
  const thinner = Math.min(1, zoom ** 2); // lines around small points
  context.lineWidth = 0.8 * thinner;
  if (showsHeldOut) draw(arrays.test_points, arrays.test_values, "square", 2.6);
  context.lineWidth = 1.2 * thinner;
  draw(arrays.points, arrays.values, "circle", 4.2);
}

// The key of the colours, right of the plane
export function drawColorBar(context, rectangle, { name, scale, offset, limits }, palette, zoom) {
  const { y: top, height } = rectangle;
  const [left, width] = [rectangle.x + rectangle.width + 12, 12];
  const [lower, upper] = limits.map((limit) => limit * scale + offset);
  const nSteps = Math.max(1, Math.round(height));
  for (let step = 0; step < nSteps; step += 1) {
    const coordinate = limits[1] - ((step + 0.5) / nSteps) * (limits[1] - limits[0]);
    context.fillStyle = cssOfPixel(numberColor(coordinate, limits, palette));
    context.fillRect(left, top + (step / nSteps) * height, width, height / nSteps + 0.5);
  }
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.strokeRect(left, top, width, height);
  context.fillStyle = palette.muted;
  context.font = palette.font(11 * zoom);
  context.textAlign = "left";
  context.textBaseline = "middle";
  const values = ticks(lower, upper, 5);
  tickLabels(values).forEach((label, index) => {
    const y = top + ((upper - values[index]) / (upper - lower)) * height;
    drawLine(context, left + width, y, left + width + 3, y);
    context.fillText(label, left + width + 5, y, COLOR_BAR_WIDTH - width - 12 - 5 - 13 * zoom);
  });
  drawVerticalText(context, name, rectangle.x + rectangle.width + COLOR_BAR_WIDTH, top + height / 2, height);
}
