// Samples as points, with a shape for each class

const SHAPES = ["circle", "square", "triangle", "diamond", "inverted"]; // of the classes, repeated from the sixth on
export const SHAPE_SYMBOLS = ["●", "■", "▲", "◆", "▼"]; // the same shapes as text

export function drawPoints(context, scale, points, labels, wrong, palette, { isFilled = false, zoom }) {
  const thinner = Math.min(1, zoom ** 2); // lines around small points
  for (let index = 0; index < labels.length; index += 1) {
    const [x, y] = [scale.toX(points[2 * index]), scale.toY(points[2 * index + 1])];
    const color = palette.classes[labels[index]];
    traceShape(context, SHAPES[labels[index] % SHAPES.length], x, y, zoom * (isFilled ? 4 : 3));
    if (isFilled) {
      context.fillStyle = color;
      context.fill();
      context.lineWidth = thinner;
      context.strokeStyle = palette.background;
    } else {
      context.lineWidth = 1.4 * thinner;
      context.strokeStyle = color;
    }
    context.stroke();
    if (wrong[index]) {
      traceShape(context, "circle", x, y, zoom * (isFilled ? 7 : 6));
      context.lineWidth = (isFilled ? 1.3 : 0.8) * thinner;
      context.strokeStyle = palette.text;
      context.stroke();
    }
  }
}

export function traceShape(context, shape, x, y, radius) {
  context.beginPath();
  if (shape === "circle") {
    context.arc(x, y, radius, 0, 2 * Math.PI);
  } else if (shape === "square") {
    context.rect(x - 0.9 * radius, y - 0.9 * radius, 1.8 * radius, 1.8 * radius);
  } else if (shape === "diamond") {
    context.moveTo(x, y - 1.3 * radius);
    context.lineTo(x + 1.3 * radius, y);
    context.lineTo(x, y + 1.3 * radius);
    context.lineTo(x - 1.3 * radius, y);
    context.closePath();
  } else {
    const up = shape === "triangle" ? 1 : -1;
    context.moveTo(x, y - 1.2 * up * radius);
    context.lineTo(x + 1.1 * radius, y + 0.8 * up * radius);
    context.lineTo(x - 1.1 * radius, y + 0.8 * up * radius);
    context.closePath();
  }
}
