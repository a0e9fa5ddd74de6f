// The picture of each unit's activation: a small plane or, of a single feature, a small chart

import { drawGrids, drawLine } from "./canvas.js";
import { activationColor } from "./colors.js";

export function drawUnitPlanes(context, tiles, side, bytes, palette) {
  const images = drawGrids(tiles.length, side, (index) => activationColor(bytes[index], palette));
  tiles.forEach(({ x, y, size }, unit) => {
    const [left, top] = images.positionOf(unit);
    context.drawImage(images.canvas, left, top, side, side, x, y, size, size);
  });
}

// The area between zero, in the middle of the tile, and the activation; all rows of the plane are the same
export function drawUnitCharts(context, tiles, side, bytes, palette) {
  context.fillStyle = palette.background;
  for (const { x, y, size } of tiles) context.fillRect(x, y, size, size);
  for (const [sign, color] of [[1, palette.positiveLine], [-1, palette.negativeLine]]) {
    context.beginPath();
    tiles.forEach((tile, unit) => traceArea(context, tile, chartValues(bytes, unit, side), sign));
    context.fillStyle = color;
    context.fill();
  }
  context.strokeStyle = palette.muted;
  context.lineWidth = 0.5;
  for (const { x, y, size } of tiles) drawLine(context, x, y + size / 2, x + size, y + size / 2);
}

// The activation of a unit along the feature, from -1 to 1
export function chartValues(bytes, unit, side) {
  return Array.from(bytes.subarray(unit * side ** 2, unit * side ** 2 + side), (byte) => (byte - 128) / 127);
}

function traceArea(context, { x, y, size }, values, sign) {
  const middle = y + size / 2;
  context.moveTo(x, middle);
  values.forEach((value, index) => {
    const height = sign * Math.max(0, sign * value) * (size / 2);
    context.lineTo(x + (index / (values.length - 1)) * size, middle - height);
  });
  context.lineTo(x + size, middle);
  context.closePath();
}
