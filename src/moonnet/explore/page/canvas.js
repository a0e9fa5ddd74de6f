// What several pictures draw on a canvas

// Size a canvas in device pixels and clear it; return its context and its size in CSS pixels
export function prepareCanvas(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  const pixels = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== pixels[0]) canvas.width = pixels[0];
  if (canvas.height !== pixels[1]) canvas.height = pixels[1];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

export function drawLine(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}

// Text from the bottom to the top, whose lower edge is centred on a point
export function drawVerticalText(context, text, x, y, maxWidth) {
  context.save();
  context.translate(x, y);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(text, 0, 0, maxWidth);
  context.restore();
}

// Images of square grids on one canvas; colorOf takes the index of a point, grid by grid and row by row from the bottom
export function drawGrids(nGrids, side, colorOf) {
  const across = Math.min(nGrids, 32);
  const positionOf = (grid) => [(grid % across) * side, Math.floor(grid / across) * side];
  const image = new ImageData(across * side, Math.ceil(nGrids / across) * side);
  const pixels = new Uint32Array(image.data.buffer);
  for (let grid = 0; grid < nGrids; grid += 1) {
    const [left, top] = positionOf(grid);
    for (let row = 0; row < side; row += 1) {
      const [from, to] = [(grid * side + side - 1 - row) * side, (top + row) * across * side + left];
      for (let column = 0; column < side; column += 1) pixels[to + column] = colorOf(from + column);
    }
  }
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return { canvas, positionOf };
}

// A smooth image of a grid's colours, row by row from the bottom; its outermost points are on the rectangle's edges
export function drawGrid(context, rectangle, resolution, colorOf) {
  const { canvas } = drawGrids(1, resolution, colorOf);
  const stepX = rectangle.width / (resolution - 1);
  const stepY = rectangle.height / (resolution - 1);
  context.imageSmoothingEnabled = true;
  context.drawImage(canvas, rectangle.x - stepX / 2, rectangle.y - stepY / 2, resolution * stepX, resolution * stepY);
}
