// The explorer's page, for browsers and notebooks. It is a single ES module, because anywidget loads one file. A notebook
// calls render with anywidget's model; in a browser, SocketModel at the end of this file replaces that model. Python
// trains the network and computes what is drawn: the page sends settings and draws the pictures that come back.
//
// The file's order: helpers; functions that draw on a canvas; a class for each part of the page; the page itself.

const SHAPES = ["circle", "square", "triangle", "diamond", "inverted"]; // of the classes, repeated from the sixth on
const SHAPE_SYMBOLS = ["●", "■", "▲", "◆", "▼"]; // the same shapes as text
const PLANE_MARGIN = { left: 46, right: 12, top: 10, bottom: 38 };
const TOO_MANY_PAGES = 4000; // close code of the socket, from _server.py
const NARROW = 480; // a plane of fewer pixels is on a phone
const MOVEMENT = "moonnet-movement"; // name of the performance measures
const FILM_SECONDS = 5;
const FRAMES_PER_SECOND = 20;
const GROUP_TITLES = { data: "Data", network: "Network", training: "Training" };
const GROUPS = {
  data: ["data", "target", "features", "n_samples", "noise", "random_state"],
  network: ["hidden_layer_sizes", "activation", "dropout", "l2"],
  training: ["optimizer", "learning_rate", "batch_size", "epochs", "early_stopping"],
};
const NUMPY_TYPES = {
  float64: Float64Array, float32: Float32Array, int32: Int32Array, uint8: Uint8Array,
};
let lastId = 0; // of the requests of all views of a widget

// ---- helpers

// An element; attributes that begin with "on" are event listeners
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function button(text, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, text);
}

// The header and arrays of an answer, which pack_message in _protocol.py has packed
function unpackMessage(view) {
  const length = view.getUint32(0, true);
  const start = view.byteOffset + 4;
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(view.buffer, start, length)));
  const arrays = {};
  for (const [name, type, shape, offset] of header.arrays) {
    const size = shape.reduce((product, length) => product * length, 1);
    const Type = NUMPY_TYPES[type];
    const at = start + length + offset;
    // In a notebook, the bytes may not be aligned
    arrays[name] = at % Type.BYTES_PER_ELEMENT === 0
      ? new Type(view.buffer, at, size)
      : new Type(view.buffer.slice(at, at + size * Type.BYTES_PER_ELEMENT));
  }
  return { header, arrays };
}

function formatPercent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function formatNumber(value) {
  if (value === null) return "None";
  return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential().replace("e-", "e−") : String(value);
}

function formatDuration(milliseconds) {
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

// Round numbers between two limits, at most nTicks + 2 of them; none if a float64 cannot represent their distance
export function ticks(lower, upper, nTicks) {
  const rough = upper / nTicks - lower / nTicks; // the range itself may overflow
  if (!(rough > 0 && rough < Infinity)) return [];
  const exponent = Math.floor(Math.log10(rough));
  const number = (digits) => Number(`${digits}e${exponent}`); // correctly rounded, unlike a product with a power of ten
  const factor = [1, 2, 5, 10].find((candidate) => number(candidate) >= rough);
  const step = number(factor);
  const first = Math.ceil(lower / step - 1e-9);
  // A fixed count: beyond 2 ** 53, adding 1 to an index does not change it
  const found = Array.from({ length: nTicks + 2 }, (_, offset) => number((first + offset) * factor));
  const margin = 1e-9 * step;
  return [...new Set(found)].filter((tick) => tick >= lower - margin && tick <= upper + margin);
}

// The labels of an axis: numbers in full, or with exponents where that is shorter
export function tickLabels(values) {
  const longest = (labels) => Math.max(...labels.map((label) => label.length));
  const full = values.map(String);
  const short = values.map((value) => (value === 0 ? "0" : value.toExponential().replace("e+", "e")));
  return longest(full) <= 6 || longest(full) <= longest(short) ? full : short;
}

// A coordinate within limits, rounded to about a thousandth of their distance
export function roundCoordinate(value, [lower, upper]) {
  const digits = Math.min(100, Math.max(0, 3 - Math.floor(Math.log10(upper - lower))));
  return Math.min(upper, Math.max(lower, Number(value.toFixed(digits))));
}

function nearestIndex(values, value) {
  if (values.includes(value)) return values.indexOf(value);
  const distances = values.map((known) => (known === null || value === null ? Infinity : Math.abs(known - value)));
  return distances.indexOf(Math.min(...distances));
}

// Red, green and blue (0 to 255) of a colour written as #rrggbb
function rgbOfHex(color) {
  return [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
}

// Red, green, blue and alpha (0 to 255) of any CSS colour
function rgbaOf(color) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

// A colour map of 256 pixels, in the format of ImageData: from and to are mixed with shares of to from least to most
function colorMap(from, to, least, most) {
  const pixels = new Uint8ClampedArray(4 * 256);
  for (let index = 0; index < 256; index += 1) {
    const share = least + (most - least) * (index / 255);
    pixels.set([...from.map((value, channel) => value + share * (to[channel] - value)), 255], 4 * index);
  }
  return new Uint32Array(pixels.buffer);
}

// Run a task once the next frame is on the screen
function afterFrame(task) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      task();
    };
    port2.postMessage(null);
  });
}

// Record and return the milliseconds from a change of a setting until its picture is on the screen
function measureMovement(id, changedAt) {
  if (performance.getEntriesByName(MOVEMENT).length >= 1000) performance.clearMeasures(MOVEMENT);
  return performance.measure(MOVEMENT, { start: changedAt, end: performance.now(), detail: { id } }).duration;
}

function download(content, name) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content]));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// Size a canvas in device pixels and clear it; return its context and its size in CSS pixels
function prepareCanvas(canvas) {
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

// ---- functions that draw on a canvas; a view is the header and arrays of a picture, a palette is from class Theme

function planeRectangle(width, height) {
  const { left, right, top, bottom } = PLANE_MARGIN;
  return { x: left, y: top, width: width - left - right, height: height - top - bottom };
}

// Functions from coordinates on the plane to pixels, and back
function planeScale(header, rectangle) {
  const [[left, right], [lower, upper]] = header.axes.map((axis) => axis.limits);
  const { x, y, width, height } = rectangle;
  return {
    toX: (value) => x + ((value - left) / (right - left)) * width,
    toY: (value) => y + ((upper - value) / (upper - lower)) * height,
    fromX: (pixel) => left + ((pixel - x) / width) * (right - left),
    fromY: (pixel) => upper - ((pixel - y) / height) * (upper - lower),
  };
}

function drawPlane(context, width, height, view, palette, { showsHeldOut, unit, cursor }) {
  const { header, arrays } = view;
  const rectangle = planeRectangle(width, height);
  const zoom = Math.max(1, Math.min(1.5, width / 560)); // larger points and text on large screens
  const scale = planeScale(header, rectangle);
  context.save();
  context.beginPath();
  context.rect(rectangle.x, rectangle.y, rectangle.width, rectangle.height);
  context.clip();
  if (unit === null) {
    drawGrid(context, rectangle, header.resolution, (index) => probabilityColor(arrays, header, index, palette));
    drawBoundary(context, rectangle, view, palette);
  } else {
    const size = header.unit_resolution ** 2;
    const bytes = arrays.units.subarray(unit * size, (unit + 1) * size);
    drawGrid(context, rectangle, header.unit_resolution, (index) => activationColor(bytes[index], palette));
  }
  if (showsHeldOut) {
    drawPoints(context, scale, arrays.test_points, arrays.test_labels, arrays.test_wrong, palette, { zoom });
  }
  drawPoints(context, scale, arrays.points, arrays.labels, arrays.wrong, palette, { isFilled: true, zoom });
  if (cursor !== null) drawCrosshair(context, scale.toX(cursor[0]), scale.toY(cursor[1]), palette);
  if (width < NARROW) drawAccuracy(context, rectangle, header, palette); // the results panel is off screen on a phone
  context.restore();
  drawAxes(context, rectangle, header, scale, palette, zoom);
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

function drawAccuracy(context, rectangle, header, palette) {
  context.font = palette.font(20, "bold");
  context.textAlign = "right";
  context.textBaseline = "top";
  const text = formatPercent(header.test_accuracy);
  const { width } = context.measureText(text);
  const right = rectangle.x + rectangle.width;
  context.globalAlpha = 0.8;
  context.fillStyle = palette.background;
  context.fillRect(right - width - 14, rectangle.y, width + 14, 28);
  context.globalAlpha = 1;
  context.fillStyle = palette.text;
  context.fillText(text, right - 7, rectangle.y + 5);
}

// A smooth image of a grid's colours, row by row from the bottom; its outermost points are on the rectangle's edges
function drawGrid(context, rectangle, resolution, colorOf) {
  const image = new ImageData(resolution, resolution);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < resolution; row += 1) {
    const [from, to] = [(resolution - 1 - row) * resolution, row * resolution];
    for (let column = 0; column < resolution; column += 1) pixels[to + column] = colorOf(from + column);
  }
  const pixelCanvas = new OffscreenCanvas(resolution, resolution);
  pixelCanvas.getContext("2d").putImageData(image, 0, 0);
  const stepX = rectangle.width / (resolution - 1);
  const stepY = rectangle.height / (resolution - 1);
  context.imageSmoothingEnabled = true;
  context.drawImage(
    pixelCanvas, rectangle.x - stepX / 2, rectangle.y - stepY / 2, resolution * stepX, resolution * stepY,
  );
}

function probabilityColor(arrays, header, index, palette) {
  const nClasses = header.classes.length;
  if (nClasses === 2) {
    const probability = arrays.probability[index];
    return palette.shades[probability > 0.5 ? 1 : 0][Math.round(255 * Math.abs(2 * probability - 1))];
  }
  let best = 0;
  for (let label = 1; label < nClasses; label += 1) {
    if (arrays.probability[index * nClasses + label] > arrays.probability[index * nClasses + best]) best = label;
  }
  const lead = (arrays.probability[index * nClasses + best] * nClasses - 1) / (nClasses - 1);
  return palette.shades[best][Math.round(255 * Math.min(1, Math.max(0, lead)))];
}

function activationColor(byte, palette) {
  return byte > 128 ? palette.positive[2 * (byte - 128)] : palette.negative[Math.min(255, 2 * (128 - byte))];
}

function drawBoundary(context, rectangle, { header, arrays }, palette) {
  const step = [rectangle.width, rectangle.height].map((length) => length / (header.resolution - 1));
  context.beginPath();
  let start = 0;
  for (const end of arrays.boundary_ends) {
    for (let index = start; index < end; index += 1) {
      const x = rectangle.x + arrays.boundary[2 * index] * step[0];
      const y = rectangle.y + rectangle.height - arrays.boundary[2 * index + 1] * step[1];
      if (index === start) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
    start = end;
  }
  context.strokeStyle = palette.text;
  context.lineWidth = 1.5;
  context.stroke();
}

function drawPoints(context, scale, points, labels, wrong, palette, { isFilled = false, zoom }) {
  for (let index = 0; index < labels.length; index += 1) {
    const [x, y] = [scale.toX(points[2 * index]), scale.toY(points[2 * index + 1])];
    const color = palette.classes[labels[index]];
    traceShape(context, SHAPES[labels[index] % SHAPES.length], x, y, zoom * (isFilled ? 4 : 3));
    if (isFilled) {
      context.fillStyle = color;
      context.fill();
      context.lineWidth = 1;
      context.strokeStyle = palette.background;
    } else {
      context.lineWidth = 1.4;
      context.strokeStyle = color;
    }
    context.stroke();
    if (wrong[index]) {
      traceShape(context, "circle", x, y, zoom * (isFilled ? 7 : 6));
      context.lineWidth = isFilled ? 1.3 : 0.8;
      context.strokeStyle = palette.text;
      context.stroke();
    }
  }
}

function traceShape(context, shape, x, y, radius) {
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
  context.save();
  context.translate(12 * zoom, rectangle.y + rectangle.height / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(header.axes[1].name, 0, 0, rectangle.height);
  context.restore();
}

// The entries of a legend below the plane, in rows of at most this width, and the legend's height
function layoutLegend(context, width, header, palette, showsHeldOut) {
  const [row, gap, left] = [20, 18, PLANE_MARGIN.left];
  const marks = [["training", { isFilled: true }], ...(showsHeldOut ? [["held out", {}]] : [])];
  const entries = [
    ...header.classes.map((name, label) => (
      { text: name.length > 40 ? `${name.slice(0, 39)}…` : name, label, color: palette.classes[label], isFilled: true }
    )),
    ...marks.map(([text, mark]) => ({ text, label: 0, color: palette.muted, ...mark })),
    { text: "misclassified", label: 0, color: palette.muted, isFilled: true, isRinged: true },
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

function drawLegend(context, top, entries, palette) {
  context.font = palette.font(12);
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { text, label, color, isFilled, isRinged, x, y } of entries) {
    const scale = { toX: () => x + 4, toY: () => top + y };
    const colors = { ...palette, classes: { [label]: color } };
    drawPoints(context, scale, [0, 0], [label], [isRinged], colors, { isFilled, zoom: 1 });
    context.fillStyle = palette.text;
    context.fillText(text, x + 16, top + y);
  }
}

// The position and size of each unit's tile; layers go from left to right, each in as many columns as it needs
function networkLayout(layerSizes, width, height) {
  const gap = 3;
  const between = Math.max(20, Math.min(70, width / (2.2 * layerSizes.length)));
  let best = { size: -Infinity };
  for (const rows of [6, 8, 10, 12, 16, 20, 25, 32]) {
    const columns = layerSizes.map((units) => Math.ceil(units / rows));
    const nColumns = columns.reduce((sum, count) => sum + count, 0);
    const available = width - 2 - (layerSizes.length - 1) * between;
    const size = Math.max(1, Math.min(42, available / nColumns - gap, height / rows - gap));
    if (size > best.size) best = { size, columns, nColumns };
  }
  const { size, columns, nColumns } = best;
  const pitch = size + gap;
  const used = nColumns * pitch + (layerSizes.length - 1) * between;
  let x = (width - used) / 2;
  return layerSizes.map((units, layer) => {
    const inColumn = Math.ceil(units / columns[layer]);
    const top = (height - inColumn * pitch) / 2;
    const tiles = Array.from({ length: units }, (_, unit) => ({
      x: x + Math.floor(unit / inColumn) * pitch, y: top + (unit % inColumn) * pitch, size,
    }));
    x += columns[layer] * pitch + between;
    return { tiles };
  });
}

function drawNetwork(context, layers, { header, arrays }, palette, selected) {
  drawConnections(context, layers, header.layer_sizes, arrays.weights, palette);
  const tiles = layers.flatMap((layer) => layer.tiles);
  const atlas = unitAtlas(arrays.units, tiles.length, header.unit_resolution, palette);
  tiles.forEach(({ x, y, size }, unit) => {
    const [left, top] = atlas.positionOf(unit);
    context.drawImage(atlas.canvas, left, top, atlas.side, atlas.side, x, y, size, size);
    context.lineWidth = unit === selected ? 3 : 1;
    context.strokeStyle = unit === selected ? palette.accent : palette.line;
    context.strokeRect(x, y, size, size);
  });
}

// One canvas with the activation images of all units
function unitAtlas(units, nUnits, side, palette) {
  const across = Math.min(nUnits, 32);
  const positionOf = (unit) => [(unit % across) * side, Math.floor(unit / across) * side];
  const image = new ImageData(across * side, Math.ceil(nUnits / across) * side);
  const pixels = new Uint32Array(image.data.buffer);
  for (let unit = 0; unit < nUnits; unit += 1) {
    const [left, top] = positionOf(unit);
    for (let row = 0; row < side; row += 1) {
      const [from, to] = [(unit * side + side - 1 - row) * side, (top + row) * across * side + left];
      for (let column = 0; column < side; column += 1) {
        pixels[to + column] = activationColor(units[from + column], palette);
      }
    }
  }
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return { canvas, side, positionOf };
}

// A line for each weight; its width is relative to the layer's largest weight. Each line is a separate stroke, because
// browsers are much slower with one path of many crossing lines.
function drawConnections(context, layers, layerSizes, weights, palette) {
  let start = 0;
  for (let layer = 0; layer + 1 < layerSizes.length; layer += 1) {
    const [from, to] = [layers[layer].tiles, layers[layer + 1].tiles];
    const kernel = weights.subarray(start, start + from.length * to.length);
    start += kernel.length + to.length;
    const opacity = Math.min(1, 12 / Math.sqrt(kernel.length)); // so that many lines can be told apart
    const least = Math.min(0.4, Math.max(0.1, 1 - 1200 / kernel.length)); // smaller weights are too thin to be seen
    let largest = 0;
    for (const weight of kernel) largest = Math.max(largest, Math.abs(weight));
    for (let index = 0; index < kernel.length; index += 1) {
      const share = Math.abs(kernel[index]) / largest;
      if (!(share >= least)) continue; // also skips NaN, when all weights are zero
      const [a, b] = [from[Math.floor(index / to.length)], to[index % to.length]];
      context.strokeStyle = kernel[index] > 0 ? palette.positiveLine : palette.negativeLine;
      context.globalAlpha = (0.1 + 0.7 * share) * opacity;
      context.lineWidth = 0.4 + 2.6 * share;
      context.beginPath();
      context.moveTo(a.x + a.size, a.y + a.size / 2);
      context.lineTo(b.x, b.y + b.size / 2);
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

function curvesRectangle(width, height) {
  return { x: 44, y: 8, width: width - 54, height: height - 32 };
}

// Loss or accuracy by epoch; each curve has values, color, dash and isFaded. The axis begins just below the smallest value
// and ends at the upper limit; without limits, it goes from 0 to just above the largest value.
function drawCurves(context, width, height, curves, { markedEpoch, pointedEpoch }, palette, { label, limits }) {
  const rectangle = curvesRectangle(width, height);
  const all = curves.flatMap(({ values }) => values.filter((value) => value !== null));
  if (all.length === 0) return;
  const nEpochs = Math.max(1, ...curves.map(({ values }) => values.length));
  const upper = limits ? limits[1] : Math.min(Number.MAX_VALUE, Math.max(...all) * 1.05) || 1;
  const lower = limits ? Math.min(limits[1] - 0.1, Math.min(...all) - 0.02) : 0;
  const scale = {
    toX: (epoch) => rectangle.x + ((epoch - 1) / Math.max(1, nEpochs - 1)) * rectangle.width,
    toY: (value) => rectangle.y + ((upper - value) / (upper - lower)) * rectangle.height,
  };
  drawCurveAxes(context, rectangle, scale, { lower, upper, nEpochs, label }, palette);
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

function drawCurveAxes(context, rectangle, scale, { lower, upper, nEpochs, label }, palette) {
  context.font = palette.font(11);
  context.fillStyle = palette.muted;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  const values = ticks(lower, upper, 3);
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
  const last = nEpochs === 1 ? "1 epoch" : `${nEpochs} epochs`;
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

// ---- the parts of the page

// The settings panel: a control for each setting, from the descriptions that Python sends
class Controls {
  constructor(page) {
    this.page = page;
    this.refreshers = {};
    this.root = element("form", { onsubmit: (event) => event.preventDefault() });
  }

  build() {
    const byName = Object.fromEntries(this.page.descriptions.map((control) => [control.name, control]));
    this.root.replaceChildren(...Object.entries(GROUPS).map(([group, names]) => element(
      "fieldset", {}, element("legend", {}, GROUP_TITLES[group]),
      ...names.map((name) => this.buildRow(name, byName[name])),
    )));
    this.refresh();
  }

  buildRow(name, control) {
    const id = `${this.page.prefix}-${name}`;
    const { input, refresh, extra } = this.buildControl(name, control);
    input.id = id;
    const output = element("output", { for: id });
    const doc = element("div", { id: `${id}-doc`, class: "doc", popover: true }, control.doc);
    const help = element(
      "button", { type: "button", class: "help", popovertarget: doc.id, "aria-label": `What is ${name}?` }, "?",
    );
    const label = element(input.tagName === "DIV" ? "span" : "label", { title: control.doc, for: id }, name);
    const row = element("div", { class: `control row-${name}` }, element("div", { class: "name" }, label,
      ...(control.doc ? [help, doc] : []), output), input, ...(extra ? [extra] : []));
    input.setAttribute("data-setting", name);
    if (input.tagName === "DIV") input.setAttribute("aria-label", name);
    this.refreshers[name] = () => refresh(output, row);
    return row;
  }

  // The control's element, a function that shows the setting's value, and sometimes a button beside it
  buildControl(name, control) {
    if (name === "data") return this.dataControl(control);
    if (name === "target") return this.targetControl();
    if (name === "features") return this.featuresControl();
    const builders = {
      choice: () => this.choiceControl(name, control), number: () => this.numberControl(name, control),
      flag: () => this.flagControl(name), seed: () => this.seedControl(name, control),
      layers: () => this.layersControl(name, control),
    };
    return builders[control.kind]();
  }

  choiceControl(name, { values }) {
    const input = element("select", {
      onchange: (event) => this.page.change({ [name]: input.value }, event),
    }, ...values.map((value) => element("option", { value }, value)));
    return { input, refresh: () => { input.value = this.page.value(name); } };
  }

  // The value "own" is the user's table, which has to be opened first
  dataControl({ values }) {
    const input = element("select", {
      onchange: (event) => {
        if (input.value === "own" && this.page.table === null) {
          input.value = this.page.value("data");
          this.page.upload.chooseFile();
        } else this.page.change({ data: input.value }, event);
      },
    }, ...values.map((value) => element("option", { value }, value)));
    const open = button("Open CSV", () => this.page.upload.chooseFile(), { class: "open" });
    const refresh = () => {
      input.querySelector("[value=own]").textContent = this.page.table?.name ?? "CSV file …";
      input.value = this.page.value("data");
    };
    return { input, refresh, extra: open };
  }

  numberControl(name, { values }) {
    const input = element("input", {
      type: "range", min: 0, max: values.length - 1, step: 1,
      oninput: (event) => this.page.change({ [name]: values[input.value] }, event),
    });
    const isForToyProblems = name === "noise" || name === "n_samples";
    const refresh = (output, row) => {
      const value = this.page.value(name);
      const rate = formatNumber(this.page.learningRates[this.page.value("optimizer")] ?? null);
      const text = value === null ? `None (${rate})` : formatNumber(value); // only learning_rate can be None
      input.value = nearestIndex(values, value);
      input.setAttribute("aria-valuetext", text);
      output.textContent = text;
      row.hidden = isForToyProblems && this.page.value("data") === "own";
    };
    return { input, refresh };
  }

  flagControl(name) {
    const input = element("input", {
      type: "checkbox", onchange: (event) => this.page.change({ [name]: input.checked }, event),
    });
    return { input, refresh: () => { input.checked = this.page.value(name); } };
  }

  seedControl(name, { bounds }) {
    const input = element("input", {
      type: "number", min: bounds[0], max: bounds[1], step: 1,
      onchange: (event) => this.page.change({ [name]: Math.round(Number(input.value)) }, event),
    });
    const useNext = (event) => this.page.change({ [name]: (this.page.value(name) + 1) % (bounds[1] + 1) }, event);
    const next = button("Next seed", useNext, { class: "next", title: "New samples and new initial weights" });
    return { input, refresh: () => { input.value = this.page.value(name); }, extra: next };
  }

  layersControl(name, { max_layers: maxLayers, max_units: maxUnits }) {
    const input = element("div", { role: "group" });
    const addLayer = (event) => this.page.change({ [name]: [...this.page.value(name), 8] }, event);
    const add = button("Add layer", addLayer, { class: "add" });
    const refresh = () => {
      const layers = Array.isArray(this.page.value(name)) ? this.page.value(name) : []; // Python reports invalid values
      while (input.children.length > layers.length) input.lastChild.remove();
      while (input.children.length < layers.length) input.append(this.layerRow(name, input.children.length, maxUnits));
      layers.forEach((units, index) => {
        const [range, output] = input.children[index].children;
        range.value = units;
        range.setAttribute("aria-valuetext", `${units} units`);
        output.textContent = units;
      });
      add.disabled = layers.length >= maxLayers;
    };
    return { input, refresh, extra: add };
  }

  layerRow(name, index, maxUnits) {
    const replaceLayer = (units, event) => {
      const layers = [...this.page.value(name)];
      layers.splice(index, 1, ...units);
      this.page.change({ [name]: layers }, event);
    };
    const range = element("input", {
      type: "range", min: 1, max: maxUnits, "aria-label": `Units in layer ${index + 1}`,
      oninput: (event) => replaceLayer([Number(range.value)], event),
    });
    const remove = button("×", (event) => replaceLayer([], event), {
      class: "remove", "aria-label": `Remove layer ${index + 1}`,
    });
    return element("div", { class: "layer" }, range, element("output"), remove);
  }

  targetControl() {
    const input = element("select", {
      onchange: (event) => this.page.change({ target: input.value, features: undefined }, event),
    });
    const refresh = (output, row) => {
      row.hidden = this.page.value("data") !== "own" || this.page.table === null;
      if (row.hidden) return;
      const targets = this.page.table.features.map(([name]) => name);
      input.replaceChildren(...targets.map((value) => element("option", { value }, value)));
      input.value = this.page.value("target") ?? targets.at(-1);
    };
    return { input, refresh };
  }

  featuresControl() {
    const changeFeatures = (event) => {
      if (first.value === "") this.page.change({ features: undefined }, event);
      else {
        const others = [...second.options].map((option) => option.value).filter((name) => name !== first.value);
        const other = second.value === first.value ? others[0] : second.value;
        this.page.change({ features: [first.value, other] }, event);
      }
    };
    const first = element("select", { "aria-label": "First feature", onchange: changeFeatures });
    const second = element("select", { "aria-label": "Second feature", onchange: changeFeatures });
    const input = element("div", { role: "group", class: "features" }, first, second);
    const refresh = (output, row) => {
      row.hidden = this.page.value("data") !== "own" || this.page.table === null;
      if (row.hidden) return;
      const target = this.page.value("target") ?? this.page.table.features.at(-1)[0];
      const [, names] = this.page.table.features.find(([name]) => name === target) ?? [target, []];
      const features = this.page.value("features");
      const chosen = Array.isArray(features) ? features : names.length === 2 ? names : null;
      const options = names.map((value) => [value, value]);
      if (names.length > 2) options.unshift(["", "principal components of all"]);
      first.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
      second.replaceChildren(...names.map((value) => element("option", { value }, value)));
      first.value = chosen?.[0] ?? "";
      if (chosen) [, second.value] = chosen;
      second.hidden = chosen === null;
    };
    return { input, refresh };
  }

  refresh() {
    for (const refresh of Object.values(this.refreshers)) refresh();
  }
}

// The drawing tools: they draw points of a class on the plane, erase points, and undo either
class DrawingTools {
  constructor(page) {
    this.page = page;
    this.tool = "off";
    this.undoStack = []; // the edits before each stroke
    this.stroke = null;
    this.cursor = null; // coordinates of the crosshair, for the keyboard
    this.root = element("fieldset", { class: "tools" });
    this.undoButton = button("Undo", (event) => this.undo(event));
  }

  listen(on) {
    const { canvas } = this.page.plane;
    on(canvas, "pointerdown", (event) => this.beginStroke(event));
    on(canvas, "pointermove", (event) => this.continueStroke(event));
    for (const name of ["pointerup", "pointercancel"]) on(canvas, name, () => this.endStroke());
    on(canvas, "keydown", (event) => this.useKey(event));
    on(canvas, "blur", () => this.moveCursor(null));
  }

  refresh() {
    const classes = this.page.view?.header.classes ?? ["0", "1"];
    if (this.shownClasses !== JSON.stringify(classes)) {
      this.shownClasses = JSON.stringify(classes);
      this.build(classes);
    }
    for (const input of this.root.querySelectorAll("input[type=radio]")) input.checked = input.value === this.tool;
    this.undoButton.disabled = this.undoStack.length === 0;
    this.page.plane.canvas.dataset.tool = this.tool;
  }

  build(classes) {
    const tools = [["off", "Off"], ...classes.map((label, index) => [`class-${index}`, label]), ["erase", "Erase"]];
    if (!tools.some(([tool]) => tool === this.tool)) this.tool = "off";
    const buildTool = ([tool, text]) => {
      const isClass = tool.startsWith("class-");
      return element(
        "label", { class: tool },
        element("input", {
          type: "radio", name: `${this.page.prefix}-tool`, value: tool,
          "aria-label": isClass ? `Class ${text}` : false, onchange: () => this.selectTool(tool),
        }),
        ...(isClass ? [element("b", {}, SHAPE_SYMBOLS[Number(tool.slice(6)) % SHAPE_SYMBOLS.length])] : []),
        element("span", { title: text }, text),
      );
    };
    this.root.replaceChildren(element("legend", {}, "Draw"), ...tools.map(buildTool), this.undoButton);
    // Not an attribute: the Content-Security-Policy forbids inline styles
    for (const symbol of this.root.querySelectorAll("b")) {
      symbol.style.color = `var(--${symbol.parentElement.className})`;
    }
  }

  selectTool(tool) {
    this.tool = tool;
    this.refresh();
    this.page.draw();
  }

  beginStroke(event) {
    if (this.page.view === null || this.tool === "off" || event.button !== 0) return;
    const point = this.page.plane.pointAt(event);
    if (point === null || !event.isPrimary) return;
    event.preventDefault();
    this.page.plane.canvas.setPointerCapture(event.pointerId);
    this.stroke = { before: this.edits(), last: null };
    this.continueStroke(event);
  }

  continueStroke(event) {
    if (this.stroke === null) return;
    const point = this.page.plane.pointAt(event);
    if (point === null) return;
    const { last } = this.stroke;
    const isFar = last === null || Math.hypot(point.pixel[0] - last[0], point.pixel[1] - last[1]) > 12;
    if (!isFar && this.tool !== "erase") return;
    this.stroke.last = point.pixel;
    this.edit([point.x, point.y], event);
  }

  endStroke() {
    if (this.stroke === null) return;
    this.pushUndo(this.stroke.before);
    this.stroke = null;
  }

  edits() {
    return { drawn: this.page.value("drawn"), erased: this.page.value("erased") };
  }

  pushUndo(before) {
    if (JSON.stringify(before) !== JSON.stringify(this.edits())) this.undoStack.push(before);
    this.refresh();
  }

  // Draw a point, or erase the points nearby
  edit([x, y], event) {
    if (this.page.viewDatasetKey !== this.page.datasetKey()) return; // the picture still shows other samples
    if (this.tool === "erase") {
      this.eraseAround(x, y, event);
      return;
    }
    const label = Number(this.tool.slice("class-".length));
    const { max_points: maxPoints } = this.page.descriptions.find((control) => control.name === "drawn");
    if (this.page.value("drawn").length >= maxPoints) {
      this.page.setStatus(`At most ${maxPoints} points can be drawn.`, "problem");
      return;
    }
    const { axes } = this.page.view.header;
    const rounded = [x, y].map((value, axis) => roundCoordinate(value, axes[axis].limits));
    this.page.change({ drawn: [...this.page.value("drawn"), [...rounded, label]] }, event);
  }

  eraseAround(x, y, event) {
    const scale = this.page.plane.scale();
    const isNear = (point) => Math.hypot(scale.toX(point[0]) - scale.toX(x), scale.toY(point[1]) - scale.toY(y)) < 10;
    const { points, indices } = this.page.view.arrays;
    const erased = new Set(this.page.value("erased"));
    indices.forEach((sample, at) => {
      if (sample >= 0 && isNear([points[2 * at], points[2 * at + 1]])) erased.add(sample);
    });
    const drawn = this.page.value("drawn").filter((point) => !isNear(point));
    if (drawn.length === this.page.value("drawn").length && erased.size === this.page.value("erased").length) return;
    this.page.change({ drawn, erased: [...erased].sort((a, b) => a - b) }, event);
  }

  undo(event) {
    const before = this.undoStack.pop();
    if (before !== undefined) this.page.change(before, event);
  }

  moveCursor(cursor) {
    if (cursor === this.cursor) return;
    this.cursor = cursor;
    this.page.plane.draw();
  }

  useKey(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (this.page.view === null || this.tool === "off") return;
    const limits = this.page.view.header.axes.map((axis) => axis.limits);
    if (event.key in moves) {
      event.preventDefault();
      const from = this.cursor ?? limits.map(([lower, upper]) => (lower + upper) / 2);
      this.moveCursor(from.map((value, axis) => {
        const [lower, upper] = limits[axis];
        const moved = value + (moves[event.key][axis] * (upper - lower)) / (event.shiftKey ? 10 : 40);
        return Math.min(upper, Math.max(lower, moved));
      }));
    } else if ((event.key === "Enter" || event.key === " ") && this.cursor !== null) {
      event.preventDefault();
      const before = this.edits();
      this.edit(this.cursor, event);
      this.pushUndo(before);
    }
  }

  clearUndo() {
    this.undoStack = [];
  }
}

// The film of the last training: shows the network after each epoch
class Film {
  constructor(page) {
    this.page = page;
    this.nEpochs = 0; // 0 until the epochs are recorded
    this.finalEpoch = 0; // the epoch of the trained network: with early stopping, the best one
    this.epoch = null; // the epoch on the page; null for the trained network
    this.wantedEpoch = 0;
    this.isFrameRequested = false;
    this.frameId = 0;
    this.playing = null; // timer; null while paused
    this.playButton = button("Play", () => this.toggle(), { disabled: true });
    this.backButton = button("‹", () => this.step(-1), { disabled: true, "aria-label": "Previous epoch" });
    this.forwardButton = button("›", () => this.step(1), { disabled: true, "aria-label": "Next epoch" });
    this.slider = element("input", {
      type: "range", min: 0, max: 0, value: 0, disabled: true, "aria-label": "Epoch",
      oninput: () => this.show(Number(this.slider.value)),
    });
    this.output = element("output", {}, "");
    this.root = element(
      "div", { class: "film", role: "group", "aria-label": "Film of the training" },
      this.playButton, this.backButton, this.forwardButton, this.slider, this.output,
    );
  }

  set(nEpochs, finalEpoch) {
    this.nEpochs = nEpochs;
    this.finalEpoch = finalEpoch;
    this.epoch = null;
    this.wantedEpoch = finalEpoch;
    this.isFrameRequested = false;
    if (nEpochs > 0) {
      this.slider.max = nEpochs;
      this.slider.value = finalEpoch;
    }
    for (const control of [this.playButton, this.backButton, this.forwardButton, this.slider]) {
      control.disabled = nEpochs === 0;
    }
    this.refresh();
  }

  refresh() {
    const epoch = this.epoch ?? this.finalEpoch;
    if (this.nEpochs > 0) this.output.textContent = `epoch ${epoch} of ${this.nEpochs}`;
    this.slider.setAttribute("aria-valuetext", this.output.textContent);
    this.playButton.textContent = this.playing === null ? "Play" : "Pause";
  }

  show(epoch) {
    this.wantedEpoch = epoch;
    this.slider.value = epoch;
    if (this.isFrameRequested || this.nEpochs === 0) return;
    this.isFrameRequested = true;
    this.frameId = this.page.request("frame", { epoch });
  }

  step(epochs) {
    this.stop();
    this.show(Math.min(this.nEpochs, Math.max(0, this.wantedEpoch + epochs)));
  }

  toggle() {
    if (this.playing !== null) {
      this.stop();
      return;
    }
    if (this.wantedEpoch >= this.nEpochs) this.show(0);
    const stride = Math.max(1, Math.round(this.nEpochs / (FILM_SECONDS * FRAMES_PER_SECOND)));
    const tick = () => {
      if (!this.isFrameRequested) {
        if (this.wantedEpoch >= this.nEpochs) {
          this.stop();
          return;
        }
        this.show(Math.min(this.nEpochs, this.wantedEpoch + stride));
      }
      this.playing = setTimeout(tick, 1000 / FRAMES_PER_SECOND);
    };
    this.playing = setTimeout(tick, 1000 / FRAMES_PER_SECOND);
    this.refresh();
  }

  stop() {
    clearTimeout(this.playing);
    this.playing = null;
    this.refresh();
  }

  // Accept a frame that has arrived, and request the next one wanted; return whether the frame is to be shown
  acceptFrame(epoch) {
    this.isFrameRequested = false;
    if (this.nEpochs === 0) return false;
    this.epoch = epoch === this.finalEpoch ? null : epoch;
    if (this.wantedEpoch !== epoch) this.show(this.wantedEpoch);
    return true;
  }

  // A frame for another view: if Python has dropped this view's older request, repeat it
  frameForOtherViewArrived(id) {
    if (!this.isFrameRequested || id < this.frameId) return;
    this.isFrameRequested = false;
    this.show(this.wantedEpoch);
  }
}

// The plane: decision regions or the activation of a unit, and the samples
class Plane {
  constructor(page) {
    this.page = page;
    this.canvas = element("canvas", {
      class: "plane", tabindex: 0, role: "img", "aria-label": "Decision regions, not trained yet",
      "aria-describedby": `${page.prefix}-drawing`,
    });
    this.keyboardHelp = element(
      "p", { id: `${page.prefix}-drawing`, class: "visually-hidden" },
      "With a drawing tool selected, the arrow keys move a crosshair, and Enter draws or erases points there.",
    );
    this.heldOut = element("input", { type: "checkbox", checked: true, onchange: () => page.draw() });
    this.key = element(
      "p", { class: "key" },
      "Filled: training. Hollow: held out. Ringed: misclassified.",
      element("label", {}, this.heldOut, element("span", {}, "Show held out")),
    );
  }

  // Between coordinates and the canvas's pixels
  scale() {
    const { width, height } = this.canvas.getBoundingClientRect();
    return planeScale(this.page.view.header, planeRectangle(width, height));
  }

  // The coordinates and pixel of a pointer event; null outside the plane
  pointAt(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const rectangle = planeRectangle(width, height);
    const [x, y] = [event.clientX - left, event.clientY - top];
    const isWithin = x >= rectangle.x && x <= rectangle.x + rectangle.width
      && y >= rectangle.y && y <= rectangle.y + rectangle.height;
    const scale = planeScale(this.page.view.header, rectangle);
    return isWithin ? { x: scale.fromX(x), y: scale.fromY(y), pixel: [x, y] } : null;
  }

  draw(palette = this.page.theme.palette()) {
    if (!this.page.isVisible()) return;
    const { view, network, drawing } = this.page;
    const { context, width, height } = prepareCanvas(this.canvas);
    const nUnits = view.header.layer_sizes.reduce((sum, units) => sum + units, 0);
    const unit = network.unit !== null && network.unit < nUnits ? network.unit : null;
    const options = { showsHeldOut: this.heldOut.checked, unit, cursor: drawing.cursor };
    drawPlane(context, width, height, view, palette, options);
    const content = unit === null ? "Decision regions" : `Activation of ${network.unitName()}`;
    const [first, second] = view.header.axes.map((axis) => axis.name);
    const accuracy = formatPercent(view.header.test_accuracy);
    this.canvas.setAttribute("aria-label", `${content} over ${first} and ${second}; held-out accuracy ${accuracy}`);
  }

  // A PNG of the decision regions with a legend
  toBlob() {
    const [size, ratio] = [640, 2];
    const palette = this.page.theme.palette();
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext("2d");
    const legend = layoutLegend(context, size, this.page.view.header, palette, this.heldOut.checked);
    canvas.width = size * ratio;
    canvas.height = (size + legend.height) * ratio;
    context.scale(ratio, ratio);
    context.fillStyle = palette.background;
    context.fillRect(0, 0, size, size + legend.height);
    const options = { showsHeldOut: this.heldOut.checked, unit: null, cursor: null };
    drawPlane(context, size, size, this.page.view, palette, options);
    drawLegend(context, size, legend.entries, palette);
    return canvas.convertToBlob({ type: "image/png" });
  }
}

// The picture of the network: its weights, and the activation of each unit; a selected unit is shown on the plane
class NetworkPicture {
  constructor(page) {
    this.page = page;
    this.layers = null; // the tiles of each layer, once drawn
    this.unit = null; // index of the selected unit, counted over all layers
    this.title = element("h2", {}, "Network");
    this.canvas = element("canvas", {
      class: "network", tabindex: 0, role: "img", "aria-label": "Network, not trained yet",
    });
  }

  listen(on) {
    on(this.canvas, "pointermove", (event) => this.select(this.unitAt(event)));
    on(this.canvas, "pointerdown", (event) => this.select(this.unitAt(event)));
    on(this.canvas, "pointerleave", (event) => event.pointerType !== "touch" && this.select(null));
    on(this.canvas, "blur", () => this.select(null));
    on(this.canvas, "keydown", (event) => this.handleKey(event));
  }

  unitAt(event) {
    if (this.layers === null) return null;
    const { left, top } = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const isWithin = (tile) => x >= tile.x && x <= tile.x + tile.size && y >= tile.y && y <= tile.y + tile.size;
    const unit = this.layers.flatMap((layer) => layer.tiles).findIndex(isWithin);
    return unit < 0 ? null : unit;
  }

  // A description of the selected unit
  unitName() {
    const { axes, classes, layer_sizes: sizes } = this.page.view.header;
    let [layer, unit] = [0, this.unit];
    while (unit >= sizes[layer]) {
      unit -= sizes[layer];
      layer += 1;
    }
    if (layer === 0) return `input ${axes[unit].name}`;
    if (layer < sizes.length - 1) return `unit ${unit + 1} of layer ${layer}`;
    return `logit of class ${classes[classes.length === 2 ? 1 : unit]}`;
  }

  select(unit) {
    if (unit === this.unit || this.page.view === null) return;
    this.unit = unit;
    this.page.plane.draw();
    this.draw();
  }

  handleKey(event) {
    const moves = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
    if (event.key === "Escape") this.select(null);
    if (!(event.key in moves) || this.layers === null) return;
    event.preventDefault();
    const nUnits = this.layers.reduce((sum, layer) => sum + layer.tiles.length, 0);
    this.select(this.unit === null ? 0 : (this.unit + moves[event.key] + nUnits) % nUnits);
  }

  draw(palette = this.page.theme.palette()) {
    if (!this.page.isVisible()) return;
    const { view } = this.page;
    const { context, width, height } = prepareCanvas(this.canvas);
    const sizes = view.header.layer_sizes;
    this.layers = networkLayout(sizes, width, height);
    drawNetwork(context, this.layers, view, palette, this.unit);
    const title = `Network ${sizes.join("-")}, ${view.arrays.weights.length.toLocaleString("en")} parameters`;
    this.title.textContent = this.unit === null ? title : `${title}: ${this.unitName()}`;
    this.canvas.setAttribute("aria-label", `${title}. The arrow keys select a unit, which is then shown on the plane.`);
  }
}

// Accuracy and losses of the network on the page, as text
class Scores {
  constructor(page) {
    this.page = page;
    this.label = element("p", { class: "accuracy-label" }, "Held-out accuracy");
    this.accuracy = element("output", { class: "accuracy" }, "–");
    this.details = element("p", { class: "figures" });
  }

  refresh() {
    const { view: { header }, history, film, isHeldOutOutdated } = this.page;
    this.accuracy.textContent = formatPercent(header.test_accuracy);
    const index = (film.epoch ?? film.finalEpoch) - 1;
    const formatLoss = (name) => history[name]?.[index]?.toFixed(3);
    const losses = [["training", formatLoss("loss")], ["held-out", !isHeldOutOutdated && formatLoss("test_loss")]]
      .filter(([, loss]) => loss);
    this.details.replaceChildren(
      element("span", {}, `training accuracy ${formatPercent(header.accuracy)}`),
      element("span", {}, losses.map(([name, loss]) => `${name} loss ${loss}`).join(", ")),
    );
  }
}

// Loss and accuracy by epoch; the values of the epoch under the pointer are shown beside it
class Curves {
  constructor(page) {
    this.page = page;
    this.legend = element(
      "p", { class: "legend" }, element("span", {}, "training"), element("span", { class: "held-out" }, "held out"),
    );
    this.loss = element("canvas", { class: "curves", role: "img", "aria-label": "Loss by epoch" });
    this.accuracy = element("canvas", { class: "curves", role: "img", "aria-label": "Accuracy by epoch" });
    this.values = element("div", { class: "curve-values", hidden: true });
    this.pointed = null; // the metric and the epoch under the pointer
  }

  listen(on) {
    for (const [name, canvas] of [["loss", this.loss], ["accuracy", this.accuracy]]) {
      for (const kind of ["pointermove", "pointerdown"]) on(canvas, kind, (event) => this.point(name, canvas, event));
      for (const kind of ["pointerleave", "pointercancel"]) on(canvas, kind, () => this.point(name, canvas, null));
    }
  }

  point(name, canvas, event) {
    const nEpochs = this.page.history.loss?.length ?? 0;
    if (event === null || nEpochs === 0) this.pointed = null;
    else {
      const { left, width, height } = canvas.getBoundingClientRect();
      const rectangle = curvesRectangle(width, height);
      const share = (event.clientX - left - rectangle.x) / rectangle.width;
      this.pointed = { name, canvas, epoch: 1 + Math.round(Math.min(1, Math.max(0, share)) * (nEpochs - 1)) };
    }
    this.draw();
  }

  showValues() {
    const { history, isHeldOutOutdated } = this.page;
    const { name, canvas, epoch } = this.pointed ?? {};
    this.values.hidden = !(epoch <= history.loss?.length);
    if (this.values.hidden) return;
    const names = [["training", name], ...(isHeldOutOutdated ? [] : [["held out", `test_${name}`]])];
    const format = (value) => (name === "accuracy" ? formatPercent(value) : String(Number(value.toPrecision(4))));
    const lines = names.filter(([, key]) => Number.isFinite(history[key]?.[epoch - 1]))
      .map(([label, key]) => `${label} ${format(history[key][epoch - 1])}`);
    this.values.textContent = [`epoch ${epoch}`, ...lines].join("\n");
    // Beside the line of the epoch, on the side with more space
    const { x, width } = curvesRectangle(canvas.clientWidth, canvas.clientHeight);
    const at = x + ((epoch - 1) / Math.max(1, history.loss.length - 1)) * width;
    const isRight = at > canvas.clientWidth / 2;
    this.values.style.left = `${canvas.offsetLeft + at + (isRight ? -8 : 8)}px`;
    this.values.style.top = `${canvas.offsetTop + 12}px`;
    this.values.style.transform = isRight ? "translateX(-100%)" : "none";
  }

  draw(palette = this.page.theme.palette()) {
    if (!this.page.isVisible()) return;
    this.drawMetric(this.loss, "loss", null, palette);
    this.drawMetric(this.accuracy, "accuracy", [0, 1], palette);
    this.showValues();
  }

  drawMetric(canvas, name, limits, palette) {
    const { history, isHeldOutOutdated } = this.page;
    const curves = [
      { values: history[name] ?? [], color: palette.text, dash: [] },
      { values: history[`test_${name}`] ?? [], color: palette.accent, dash: [5, 3], isFaded: isHeldOutOutdated },
    ];
    const { context, width, height } = prepareCanvas(canvas);
    const epochs = { markedEpoch: this.markedEpoch(), pointedEpoch: this.pointed?.epoch ?? null };
    drawCurves(context, width, height, curves, epochs, palette, { label: name, limits });
  }

  // The epoch of the network on the page; null if it is the last one
  markedEpoch() {
    const { film, history } = this.page;
    const epoch = film.epoch ?? film.finalEpoch;
    return epoch === history.loss?.length ? null : epoch;
  }
}

// The buttons that copy a script and download files, and the dialog that shows the script
class Downloads {
  constructor(page) {
    this.page = page;
    const fileButton = (text, format, title) => button(text, () => page.request("file", { format }), { title });
    this.root = element(
      "div", { class: "downloads", role: "group", "aria-label": "Downloads" },
      button("Copy Python", () => page.request("script"), {
        class: "main", title: "Copy a Python script that trains the same network",
      }),
      button("PNG", () => this.downloadPicture(), { title: "Download the plane as a picture" }),
      fileButton("skops", "skops", "Download the scikit-learn estimator, for skops.io.load"),
      fileButton("Keras", "keras", "Download the Keras model, for keras.models.load_model"),
      fileButton("CSV", "csv", "Download the samples as a table"),
    );
    this.code = element("pre", { tabindex: 0 });
    this.copyStatus = element("p", { role: "status" });
    this.dialog = element(
      "dialog", { class: "script", "aria-label": "Python script" }, this.code, this.copyStatus,
      element("form", { method: "dialog" }, element("button", { autofocus: true }, "Close")),
    );
  }

  setDisabled(isDisabled) {
    for (const node of this.root.querySelectorAll("button")) node.disabled = isDisabled;
  }

  async downloadPicture() {
    const { view, table } = this.page;
    if (view === null) return;
    const data = this.page.value("data");
    const stem = data === "own" ? table.name.replace(/(\.csv)?\.[^.]*$/, "") : data;
    download(await this.page.plane.toBlob(), `${stem}.png`);
  }

  async showScript(text) {
    this.code.textContent = text;
    this.copyStatus.textContent = "";
    if (!this.dialog.open) this.dialog.showModal();
    try {
      await navigator.clipboard.writeText(text);
      this.copyStatus.textContent = "Copied to the clipboard.";
    } catch {
      this.copyStatus.textContent = "The browser denied access to the clipboard. Select the text and copy it.";
    }
  }
}

// The upload of a CSV file, and its repetition when a restarted server no longer has the table
class Upload {
  constructor(page) {
    this.page = page;
    this.maxBytes = 0;
    this.file = null; // the last one: name, and content in Base64
    this.isRestoring = false;
    this.input = element("input", {
      type: "file", accept: ".csv,.tsv,.txt,.zip,.gz,.bz2,.xz,text/csv", hidden: true, "aria-label": "CSV file",
      onchange: () => this.send(),
    });
  }

  chooseFile() {
    this.input.click();
  }

  async send() {
    const [file] = this.input.files;
    this.input.value = "";
    if (!file) return;
    if (file.size > this.maxBytes) {
      this.page.setStatus(`${file.name} must be at most ${this.maxBytes / 2 ** 20} MB.`, "problem");
      return;
    }
    this.page.setStatus(`Reading ${file.name} …`, "busy");
    const dataUrl = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(file);
    });
    this.file = { name: file.name, content: dataUrl.slice(dataUrl.indexOf(",") + 1) };
    this.isRestoring = false;
    this.page.request("upload", this.file);
  }

  // Send the table again if the settings need it and the server does not have it; return whether it was sent
  restore() {
    if (this.page.table !== null || this.file === null || this.page.value("data") !== "own") return false;
    this.isRestoring = true;
    this.page.request("upload", this.file);
    return true;
  }
}

// Light and dark colours, following the system in a browser and the surroundings in a notebook
class Theme {
  constructor(page) {
    this.page = page;
    this.cachedPalette = null;
  }

  listen(on) {
    on(window.matchMedia("(prefers-color-scheme: dark)"), "change", () => this.page.draw());
    this.observer = new MutationObserver(() => this.isDark() !== this.cachedPalette?.isDark && this.page.draw());
    for (const node of [document.documentElement, document.body]) this.observer.observe(node, { attributes: true });
  }

  close() {
    this.observer.disconnect();
  }

  palette() {
    const { root } = this.page;
    const isDark = this.isDark();
    root.classList.toggle("dark", isDark);
    if (this.cachedPalette?.isDark !== isDark) {
      const style = getComputedStyle(root);
      const color = (name) => style.getPropertyValue(`--${name}`).trim();
      const background = rgbOfHex(color("plane"));
      const mapTo = (name, least, most) => colorMap(background, rgbOfHex(color(name)), least, most);
      const classes = Array.from({ length: 10 }, (_, index) => color(`class-${index}`));
      this.cachedPalette = {
        isDark, classes, background: color("plane"), text: color("text"), muted: color("muted"), line: color("line"),
        accent: color("accent"), font: (size, weight = "") => `${weight} ${size}px ${style.fontFamily}`,
        shades: classes.map((_, index) => mapTo(`class-${index}`, 0.12, 0.62)),
        positive: mapTo("class-1", 0, 1), negative: mapTo("class-0", 0, 1),
        positiveLine: color("class-1"), negativeLine: color("class-0"),
      };
    }
    return this.cachedPalette;
  }

  // In a notebook, the background behind the page decides
  isDark() {
    const { root } = this.page;
    if (root.dataset.moonnetSocket !== undefined) return matchMedia("(prefers-color-scheme: dark)").matches;
    if (!root.isConnected) return this.cachedPalette?.isDark ?? false;
    for (let node = root.parentElement; node; node = node.parentElement ?? node.getRootNode().host) {
      const { backgroundColor } = getComputedStyle(node);
      const [red, green, blue, alpha] = backgroundColor === "rgba(0, 0, 0, 0)" ? [0, 0, 0, 0] : rgbaOf(backgroundColor);
      if (alpha > 127) return 0.3 * red + 0.6 * green + 0.1 * blue < 128;
    }
    return false;
  }
}

// ---- the page: the settings, the requests and answers, and the network that is shown

class Explorer {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    root.explorer = this; // for the browser's console and the tests
    this.prefix = `moonnet-${Math.random().toString(36).slice(2)}`; // of element ids, unique in a notebook
    this.settings = { ...model.get("settings") };
    this.defaults = {};
    this.learningRates = {}; // Keras's default of each optimizer
    this.table = null; // name and columns of the user's table
    this.pendingIds = new Set(); // of requests whose answers only this view shows
    this.trainRequests = new Map(); // id to the time of the change and the key of the samples
    this.trainId = 0; // id of the latest training request
    this.shownId = 0; // id of the training on the page
    this.latency = null; // milliseconds from the last change to its picture
    this.view = null; // header and arrays of the picture on the page
    this.viewDatasetKey = null;
    this.history = {};
    this.isHeldOutOutdated = false; // whether the history's held-out values are those of an earlier training
    this.theme = new Theme(this);
    this.controls = new Controls(this);
    this.upload = new Upload(this);
    this.plane = new Plane(this);
    this.drawing = new DrawingTools(this);
    this.film = new Film(this);
    this.scores = new Scores(this);
    this.curves = new Curves(this);
    this.downloads = new Downloads(this);
    this.network = new NetworkPicture(this);
    this.build();
    this.listen();
    this.request("hello");
  }

  value(name) {
    return this.settings[name] ?? this.defaults[name];
  }

  request(kind, content = {}) {
    // Ids increase over all views of a widget, in all windows
    lastId = Math.max(lastId + 1, 1000 * Date.now());
    if (kind !== "train") this.pendingIds.add(lastId);
    this.model.send({ kind, id: lastId, ...content });
    return lastId;
  }

  // -- building

  build() {
    this.status = element("p", { class: "status", role: "status" }, "Connecting …");
    const reset = button("Reset", (event) => this.reset(event), { title: "Reset all settings to their defaults" });
    const panel = (name, label, ...children) => (
      element("section", { class: `panel ${name}`, "aria-label": label }, ...children)
    );
    const { controls, upload, plane, drawing, film, scores, curves, downloads, network } = this;
    this.root.replaceChildren(
      element(
        "div", { class: "layout" },
        element("header", {}, element("h1", {}, "moonnet ", element("span", {}, "explorer")), this.status, reset),
        panel("settings", "Settings", controls.root, upload.input),
        panel("picture", "Plane", plane.canvas, plane.keyboardHelp, plane.key, drawing.root, film.root),
        panel(
          "results", "Results",
          scores.label, scores.accuracy, scores.details, curves.legend, curves.loss, curves.accuracy, curves.values,
          downloads.root,
        ),
        panel("units", "Network", network.title, network.canvas),
      ),
      downloads.dialog,
    );
  }

  listen() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    const on = (target, name, handler) => target.addEventListener(name, handler, { signal });
    this.drawing.listen(on);
    this.network.listen(on);
    this.curves.listen(on);
    this.theme.listen(on);
    // Keep keys without Ctrl, Alt or Meta from JupyterLab while the page has the focus
    window.addEventListener("keydown", ({ target, ctrlKey, altKey, metaKey }) => {
      if (this.root.contains(target)) {
        target.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || altKey || metaKey));
      }
    }, { signal, capture: true });
    this.sizeObserver = new ResizeObserver(() => this.draw());
    this.sizeObserver.observe(this.root);
    this.onMessage = (content, buffers) => this.receive(unpackMessage(buffers[0]));
    this.onSettings = () => this.loadSettings();
    this.onConnection = ({ open }) => this.connectionChanged(open);
    this.model.on("msg:custom", this.onMessage);
    this.model.on("change:settings", this.onSettings);
    this.model.on("connection", this.onConnection);
  }

  close() {
    this.listeners.abort();
    this.sizeObserver.disconnect();
    this.theme.close();
    this.film.stop();
    this.model.off("msg:custom", this.onMessage);
    this.model.off("change:settings", this.onSettings);
    this.model.off("connection", this.onConnection);
  }

  // -- answers

  receive({ header, arrays }) {
    const handlers = {
      controls: () => this.handleControls(header),
      table: () => this.handleTable(header),
      busy: () => this.setStatus(`${header.what} …`, "busy"),
      problem: () => this.handleProblem(header),
      picture: () => this.handlePicture(header, arrays),
      film: () => this.handleFilm(header),
      frame: () => this.handleFrame(header, arrays),
      script: () => this.downloads.showScript(header.text),
      file: () => download(arrays.content, header.name),
    };
    if (this.isForThisView(header)) handlers[header.kind]?.();
  }

  // Python's answers reach every view of a widget, but the views share only the training
  isForThisView({ kind, id }) {
    const isOwn = this.pendingIds.delete(id);
    if (kind === "controls") return isOwn || this.descriptions === undefined;
    if (kind === "frame" && !isOwn) this.film.frameForOtherViewArrived(id);
    return isOwn || !["frame", "script", "file"].includes(kind);
  }

  setStatus(text, kind = "") {
    this.status.textContent = text;
    this.status.dataset.kind = kind;
  }

  connectionChanged(open) {
    if (open) this.request("hello");
    else {
      const hint = "If the server has stopped, run moonnet explore again.";
      this.setStatus(`Not connected. Reconnecting … (${hint})`, "problem");
      this.setStale(true);
    }
  }

  handleProblem(header) {
    this.setStatus(header.message, "problem");
    if (header.id === this.trainId) this.setStale(true);
  }

  // A stale picture is not that of the settings: it is faded, and there are no downloads
  setStale(isStale) {
    this.root.classList.toggle("stale", isStale);
    this.downloads.setDisabled(isStale);
    if (isStale) this.film.stop();
  }

  handleControls(header) {
    this.table = header.table;
    this.upload.maxBytes = header.max_bytes;
    this.learningRates = header.learning_rates;
    this.descriptions = header.controls;
    this.defaults = Object.fromEntries(header.controls.map((control) => [control.name, control.default]));
    if (!this.upload.restore()) this.train();
    this.controls.build();
  }

  handleTable(header) {
    this.table = header.table;
    if (this.upload.isRestoring) {
      this.upload.isRestoring = false;
      this.refreshControls();
      this.train();
    } else this.change({ data: "own", target: undefined, features: undefined });
  }

  handlePicture(header, arrays) {
    if (header.id < this.trainId && header.id < this.shownId) return;
    this.shownId = header.id;
    this.view = { header, arrays };
    this.setStale(false);
    this.updateHistory(header.history);
    const request = this.trainRequests.get(header.id);
    this.viewDatasetKey = request?.datasetKey ?? this.datasetKey();
    this.film.set(0, header.history.loss.length);
    this.drawing.refresh();
    this.plane.draw();
    this.scores.refresh();
    if (!header.final) this.setStatus(`Training: epoch ${header.history.loss.length} …`, "busy");
    afterFrame(() => {
      this.latency = request === undefined ? null : measureMovement(header.id, request.changedAt);
      if (header.final && header.id >= this.trainId) this.describeTraining();
      this.curves.draw(); // after the plane is on the screen, because curves and network are slower to draw
      this.network.draw();
    });
    for (const id of this.trainRequests.keys()) {
      if (id <= header.id) this.trainRequests.delete(id);
    }
  }

  // Held-out values arrive with the film. While a slider moves, the earlier ones stay, and their curves are faded.
  updateHistory(history) {
    const { test_loss: loss, test_accuracy: accuracy } = this.history;
    this.isHeldOutOutdated = history.test_loss === undefined && loss !== undefined;
    this.history = this.isHeldOutOutdated ? { ...history, test_loss: loss, test_accuracy: accuracy } : history;
  }

  handleFilm(header) {
    if (header.id !== this.shownId) return;
    this.updateHistory(header.history);
    this.film.set(header.epochs, header.final_epoch);
    this.scores.refresh();
    this.curves.draw();
    if (header.id >= this.trainId) this.describeTraining();
  }

  handleFrame(header, arrays) {
    if (header.id < this.shownId || !this.film.acceptFrame(header.epoch)) return;
    this.view = { header, arrays };
    this.draw();
  }

  describeTraining() {
    const nEpochs = this.history.loss.length;
    const verb = nEpochs < this.value("epochs") ? "Stopped early after" : "Trained for";
    const parts = [`${verb} ${nEpochs} ${nEpochs === 1 ? "epoch" : "epochs"}`];
    if (this.film.finalEpoch < this.film.nEpochs) parts.push(`best epoch ${this.film.finalEpoch}`);
    if (this.latency !== null) parts.push(`updated in ${formatDuration(this.latency)}`);
    if (this.view.header.note) parts.push(this.view.header.note);
    this.setStatus(parts.join("; "));
  }

  // -- settings

  change(values, event = null) {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined || JSON.stringify(value) === JSON.stringify(this.defaults[name])) {
        delete this.settings[name];
      } else this.settings[name] = value;
    }
    this.deleteOutdatedEdits(values);
    this.saveSettings();
    this.refreshControls();
    this.train(event);
  }

  // Erased indices are only valid for the same samples, drawn points only on the same plane
  deleteOutdatedEdits(values) {
    const isNewSplit = "random_state" in values && this.value("data") === "own"; // standardised anew
    const isNewPlane = isNewSplit || ["data", "target", "features"].some((name) => name in values);
    const isNewSamples = isNewPlane || "n_samples" in values || "random_state" in values;
    if (isNewPlane) delete this.settings.drawn;
    if (isNewSamples) {
      delete this.settings.erased;
      this.drawing.clearUndo();
    }
  }

  saveSettings() {
    this.model.set("settings", { ...this.settings });
    this.model.save_changes();
  }

  // Use settings that were changed elsewhere: in Python, or in the address
  loadSettings() {
    const settings = this.model.get("settings");
    if (JSON.stringify(settings) === JSON.stringify(this.settings)) return;
    this.settings = { ...settings };
    this.drawing.clearUndo();
    this.refreshControls();
    this.train();
  }

  train(event = null) {
    this.film.stop();
    this.trainId = this.request("train", { settings: this.settings });
    const changedAt = event?.timeStamp ?? performance.now();
    this.trainRequests.set(this.trainId, { changedAt, datasetKey: this.datasetKey() });
  }

  // The settings that determine the samples, except for their noise, as text
  datasetKey() {
    return JSON.stringify(["data", "target", "features", "n_samples", "random_state"].map((name) => this.value(name)));
  }

  reset(event) {
    this.settings = {};
    this.drawing.clearUndo();
    this.drawing.tool = "off";
    this.saveSettings();
    this.refreshControls();
    this.train(event);
  }

  refreshControls() {
    this.controls.refresh();
    this.drawing.refresh();
  }

  // -- drawing

  // A page in a folded or distant notebook output is not drawn until it is back on the screen
  isVisible() {
    return this.view !== null && this.root.clientWidth > 0;
  }

  draw() {
    const palette = this.theme.palette();
    if (!this.isVisible()) return;
    this.drawing.refresh();
    this.plane.draw(palette);
    this.network.draw(palette);
    this.scores.refresh();
    this.curves.draw(palette);
    this.film.refresh();
  }
}

function render({ model, el }) {
  const root = element("div", {});
  root.classList.add("moonnet-explorer");
  el.append(root);
  const explorer = new Explorer(model, root);
  return () => explorer.close();
}

export default { render };

// ---- in a browser: replaces anywidget's model by a socket, and its settings by those in the address

class SocketModel {
  constructor(path) {
    const address = new URL(path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    this.address = address;
    this.handlers = {};
    this.settings = parseSettings(location.hash);
    window.addEventListener("hashchange", () => {
      this.settings = parseSettings(location.hash);
      this.call("change:settings");
    });
    this.connect(0);
  }

  connect(wait) {
    this.socket = new WebSocket(this.address);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }) => this.call("msg:custom", {}, [new DataView(data)]));
    this.socket.addEventListener("open", () => this.call("connection", { open: true }));
    this.socket.addEventListener("close", ({ code }) => {
      if (code === TOO_MANY_PAGES) return; // Python has sent a message
      this.call("connection", { open: false });
      setTimeout(() => this.connect(Math.min(2000, 2 * wait + 250)), wait);
    });
  }

  get() {
    return this.settings;
  }

  set(name, settings) {
    this.settings = settings;
  }

  // Delayed, because browsers limit how often a page may change its address
  save_changes() {
    clearTimeout(this.saving);
    this.saving = setTimeout(() => history.replaceState(null, "", `#${formatSettings(this.settings)}`), 250);
  }

  send(content) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(content));
  }

  on(name, handler) {
    (this.handlers[name] ??= new Set()).add(handler);
  }

  off(name, handler) {
    this.handlers[name]?.delete(handler);
  }

  call(name, ...content) {
    for (const handler of this.handlers[name] ?? []) handler(...content);
  }
}

function formatSettings(settings) {
  const format = (value) => (typeof value === "string" && !isJson(value) ? value : JSON.stringify(value));
  return Object.entries(settings).map(([name, value]) => `${name}=${encodeURIComponent(format(value))}`).join("&");
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function parseSettings(hash) {
  const settings = Object.create(null); // so that names such as __proto__ are ordinary
  for (const [name, text] of new URLSearchParams(hash.slice(1))) {
    try {
      settings[name] = JSON.parse(text);
    } catch {
      settings[name] = text;
    }
  }
  return settings;
}

const page = document.querySelector("main[data-moonnet-socket]");
if (page !== null) {
  page.classList.add("moonnet-explorer");
  page.replaceChildren();
  new Explorer(new SocketModel(page.dataset.moonnetSocket), page);
}
