// The picture of the plane on a canvas; a view is the header and arrays of a picture, a palette is from class Theme

import { drawGrid, drawVerticalText } from "./canvas.js";
import { probabilityColor, activationColor } from "./colors.js";
import { drawCurvePicture } from "./curve_picture.js";
import { drawMemberBoundaries, traceLines } from "./members_picture.js";
import { drawPoints } from "./points.js";
import { ticks, tickLabels } from "./scales.js";
import { mainScore } from "./score_texts.js";
import { COLOR_BAR_WIDTH, drawColorBar, drawSurfacePicture } from "./surface_picture.js";

export const PLANE_MARGIN = { left: 46, right: 12, top: 10, bottom: 38 };
const NARROW = 480; // a plane of fewer pixels is on a phone

export function planeRectangle(header, width, height) {
  const { left, right, top, bottom } = PLANE_MARGIN;
  const keyWidth = header.picture === "surface" ? COLOR_BAR_WIDTH : 0;
  return { x: left, y: top, width: width - left - right - keyWidth, height: height - top - bottom };
}

// Functions from coordinates on the plane to pixels, and back
export function planeScale(header, rectangle) {
  const [[left, right], [lower, upper]] = header.axes.map((axis) => axis.limits);
  const { x, y, width, height } = rectangle;
  return {
    toX: (value) => x + ((value - left) / (right - left)) * width,
    toY: (value) => y + ((upper - value) / (upper - lower)) * height,
    fromX: (pixel) => left + ((pixel - x) / width) * (right - left),
    fromY: (pixel) => upper - ((pixel - y) / height) * (upper - lower),
  };
}

export function drawPlane(context, width, height, view, palette, { showsHeldOut, showsMembers, unit, cursor }) {
  const rectangle = planeRectangle(view.header, width, height);
  const zoom = Math.max(1, Math.min(1.5, width / 560)); // larger points and text on large screens
  const scale = planeScale(view.header, rectangle);
  drawPlaneContent(context, rectangle, view, palette, { showsHeldOut, showsMembers, unit, zoom }, () => {
    if (cursor !== null) drawCrosshair(context, scale.toX(cursor[0]), scale.toY(cursor[1]), palette);
    // The results panel is off screen on a phone
    if (width < NARROW) drawScore(context, rectangle, view.header, palette);
  });
  drawAxes(context, rectangle, view.header, scale, palette, zoom);
  if (view.header.picture === "surface") drawColorBar(context, rectangle, view.header.target, palette, zoom);
}

// What lies on the plane, without its axes; then drawMore, within the same rectangle
export function drawPlaneContent(
  context, rectangle, view, palette, { showsHeldOut, showsMembers, unit, zoom }, drawMore = () => undefined,
) {
  const { header, arrays } = view;
  const scale = planeScale(header, rectangle);
  context.save();
  context.beginPath();
  context.rect(rectangle.x, rectangle.y, rectangle.width, rectangle.height);
  context.clip();
  if (unit !== null) {
    const size = header.unit_resolution ** 2;
    const bytes = arrays.units.subarray(unit * size, (unit + 1) * size);
    drawGrid(context, rectangle, header.unit_resolution, (index) => activationColor(bytes[index], palette));
  }
  const drawPicture = { regions: drawRegionsPicture, curve: drawCurvePicture, surface: drawSurfacePicture };
  const options = { showsHeldOut, showsMembers: showsMembers && header.n_members > 1, zoom, unit };
  drawPicture[header.picture](context, rectangle, scale, view, palette, options);
  drawMore();
  context.restore();
}

// Classes: decision regions and samples
function drawRegionsPicture(context, rectangle, scale, view, palette, { showsHeldOut, showsMembers, zoom, unit }) {
  const { header, arrays } = view;
  if (unit === null) {
    drawGrid(context, rectangle, header.resolution, (index) => probabilityColor(arrays, header, index, palette));
    if (showsMembers) drawMemberBoundaries(context, rectangle, view, palette);
    drawBoundary(context, rectangle, view, palette, showsMembers ? 2.4 : 1.5); // to stand out from those of the members
  }
  if (showsHeldOut) {
    drawPoints(context, scale, arrays.test_points, arrays.test_labels, arrays.test_wrong, palette, { zoom });
  }
  drawPoints(context, scale, arrays.points, arrays.labels, arrays.wrong, palette, { isFilled: true, zoom });
}

function drawCrosshair(context, x, y, palette) {
  context.strokeStyle = palette.text;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x - 9, y);
  context.lineTo(x + 9, y);
  context.moveTo(x, y - 9);
  context.lineTo(x, y + 9);
  context.stroke();
}

function drawScore(context, rectangle, header, palette) {
  context.font = palette.font(20, "bold");
  context.textAlign = "right";
  context.textBaseline = "top";
  const { text } = mainScore(header);
  const { width } = context.measureText(text);
  const right = rectangle.x + rectangle.width;
  context.globalAlpha = 0.8;
  context.fillStyle = palette.background;
  context.fillRect(right - width - 14, rectangle.y, width + 14, 28);
  context.globalAlpha = 1;
  context.fillStyle = palette.text;
  context.fillText(text, right - 7, rectangle.y + 5);
}

function drawBoundary(context, rectangle, { header, arrays }, palette, lineWidth) {
  traceLines(context, rectangle, header.resolution, arrays.boundary, arrays.boundary_ends);
  context.strokeStyle = palette.text;
  context.lineWidth = lineWidth;
  context.stroke();
}

function drawAxes(context, rectangle, header, scale, palette, zoom) {
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.strokeRect(rectangle.x, rectangle.y, rectangle.width, rectangle.height);
  context.fillStyle = palette.muted;
  context.font = palette.font(11 * zoom);
  header.axes.forEach((axis, index) => {
    const limits = axis.limits.map((value) => value * axis.scale + axis.offset);
    const values = ticks(limits[0], limits[1], 5);
    tickLabels(values).forEach((label, at) => {
      const value = (values[at] - axis.offset) / axis.scale;
      if (index === 0) {
        context.textAlign = "center";
        context.textBaseline = "top";
        const available = rectangle.width / values.length - 4;
        const half = Math.min(context.measureText(label).width, available) / 2;
        const x = Math.min(scale.toX(value), rectangle.x + rectangle.width + PLANE_MARGIN.right - half);
        context.fillText(label, x, rectangle.y + rectangle.height + 4, available);
      } else {
        context.textAlign = "right";
        context.textBaseline = "middle";
        context.fillText(label, rectangle.x - 5, scale.toY(value), rectangle.x - 5 - 12 * zoom);
      }
    });
  });
  context.textAlign = "center";
  context.textBaseline = "bottom";
  const bottom = rectangle.y + rectangle.height + PLANE_MARGIN.bottom - 2;
  context.fillText(header.axes[0].name, rectangle.x + rectangle.width / 2, bottom, rectangle.width);
  drawVerticalText(context, header.axes[1].name, 12 * zoom, rectangle.y + rectangle.height / 2, rectangle.height);
}
