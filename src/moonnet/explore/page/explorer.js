// The explorer's page, one module for a browser and for a notebook. A notebook calls render with anywidget's model; in a
// browser, the socket at the end of this file stands in for it. All arithmetic of the network is Python's: the page
// sends settings and draws the pictures that come back.

const SHAPES = ["circle", "square", "triangle", "diamond", "inverted"]; // of classes, over and over
const SIGNS = ["●", "■", "▲", "◆", "▼"]; // the same in text
const PLANE_MARGIN = { left: 46, right: 12, top: 10, bottom: 38 };
const TOO_MANY_PAGES = 4000; // why Python closes a socket
const NARROW = 480; // pixels of the plane on a phone
const MOVEMENT = "moonnet-movement";
const FILM_SECONDS = 5;
const FRAMES_A_SECOND = 20;
const TOOLS = { look: "Off", erase: "Erase" };
const TITLES = { data: "Data", network: "Network", training: "Training" };
const GROUPS = {
  data: ["data", "target", "features", "n_samples", "noise", "random_state"],
  network: ["hidden_layer_sizes", "activation", "dropout", "l2"],
  training: ["optimizer", "learning_rate", "batch_size", "epochs", "early_stopping"],
};
const NUMPY_TYPES = {
  float64: Float64Array, float32: Float32Array, int32: Int32Array, uint8: Uint8Array,
};
let lastId = 0; // of requests, of every view of a widget

// ---- small helpers

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function button(text, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, text);
}

// The header and arrays of an answer, as _protocol.py packs them
function unpacked(view) {
  const length = view.getUint32(0, true);
  const start = view.byteOffset + 4;
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(view.buffer, start, length)));
  const arrays = {};
  for (const [name, type, shape, offset] of header.arrays) {
    const size = shape.reduce((product, length) => product * length, 1);
    const Type = NUMPY_TYPES[type];
    const at = start + length + offset;
    // A notebook may hand over bytes that begin anywhere
    arrays[name] = at % Type.BYTES_PER_ELEMENT === 0
      ? new Type(view.buffer, at, size)
      : new Type(view.buffer.slice(at, at + size * Type.BYTES_PER_ELEMENT));
  }
  return { header, arrays };
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function shownNumber(value) {
  if (value === null) return "None";
  return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential().replace("e-", "e−") : String(value);
}

function duration(milliseconds) {
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

// Round numbers between two limits, at most so many
function ticks(lower, upper, most) {
  const rough = (upper - lower) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const found = [];
  for (let index = Math.ceil(lower / step); index * step <= upper + 1e-9 * step; index += 1) {
    found.push(Number((index * step).toPrecision(12)));
  }
  return found;
}

function nearestIndex(values, value) {
  if (values.includes(value)) return values.indexOf(value);
  const distances = values.map((known) => (known === null || value === null ? Infinity : Math.abs(known - value)));
  return distances.indexOf(Math.min(...distances));
}

function rgb(color) {
  return [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
}

// Red, green, blue and alpha, up to 255, of a colour in whichever of CSS's many forms
function pixelOf(color) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

// Pixels of 256 colours between two, as an ImageData's buffer has them
function pixelsBetween(from, to, least, most) {
  const pixels = new Uint8ClampedArray(4 * 256);
  for (let index = 0; index < 256; index += 1) {
    const share = least + (most - least) * (index / 255);
    pixels.set([...from.map((value, channel) => value + share * (to[channel] - value)), 255], 4 * index);
  }
  return new Uint32Array(pixels.buffer);
}

// Call a function when what was drawn is on the screen: the first task after the frame
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

// Keep among the page's performance entries how many milliseconds a movement took to become pixels; return them
function measureMovement(id, moved) {
  if (performance.getEntriesByName(MOVEMENT).length >= 1000) performance.clearMeasures(MOVEMENT);
  return performance.measure(MOVEMENT, { start: moved, end: performance.now(), detail: { id } }).duration;
}

function save(content, name) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content]));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// Set a canvas to its size on the page, in the screen's own pixels; return its context and that size
function contextOf(canvas) {
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

// ---- what is drawn: functions of a context, sizes, a view (header and arrays of a picture) and a palette

function planeRectangle(width, height) {
  const { left, right, top, bottom } = PLANE_MARGIN;
  return { x: left, y: top, width: width - left - right, height: height - top - bottom };
}

// From coordinates on the plane to the canvas, and back
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
  const zoom = Math.max(1, Math.min(1.5, width / 560)); // of points and words, for large screens
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
    drawPoints(context, scale, arrays.test_points, arrays.test_class_targets, arrays.test_wrong, palette, { zoom });
  }
  drawPoints(context, scale, arrays.points, arrays.labels, arrays.wrong, palette, { isFilled: true, zoom });
  if (cursor !== null) {
    context.strokeStyle = palette.text;
    context.lineWidth = 1.5;
    const [x, y] = [scale.toX(cursor[0]), scale.toY(cursor[1])];
    context.beginPath();
    context.moveTo(x - 9, y);
    context.lineTo(x + 9, y);
    context.moveTo(x, y - 9);
    context.lineTo(x, y + 9);
    context.stroke();
  }
  if (width < NARROW) drawAccuracy(context, rectangle, header, palette); // which is far away on a phone
  context.restore();
  drawAxes(context, rectangle, header, scale, palette, zoom);
}

function drawAccuracy(context, rectangle, header, palette) {
  context.font = palette.font(20, "bold");
  context.textAlign = "right";
  context.textBaseline = "top";
  const text = percent(header.test_accuracy);
  const { width } = context.measureText(text);
  const right = rectangle.x + rectangle.width;
  context.globalAlpha = 0.8;
  context.fillStyle = palette.background;
  context.fillRect(right - width - 14, rectangle.y, width + 14, 28);
  context.globalAlpha = 1;
  context.fillStyle = palette.text;
  context.fillText(text, right - 7, rectangle.y + 5);
}

// Colours of a grid's points, row by row from below, smoothly over a rectangle whose edges are the outermost points
function drawGrid(context, rectangle, resolution, colorOf) {
  const image = new ImageData(resolution, resolution);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < resolution; row += 1) {
    const [from, to] = [(resolution - 1 - row) * resolution, row * resolution];
    for (let column = 0; column < resolution; column += 1) pixels[to + column] = colorOf(from + column);
  }
  const small = new OffscreenCanvas(resolution, resolution);
  small.getContext("2d").putImageData(image, 0, 0);
  const stepX = rectangle.width / (resolution - 1);
  const stepY = rectangle.height / (resolution - 1);
  context.imageSmoothingEnabled = true;
  context.drawImage(
    small, rectangle.x - stepX / 2, rectangle.y - stepY / 2, resolution * stepX, resolution * stepY,
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
    outline(context, SHAPES[labels[index] % SHAPES.length], x, y, zoom * (isFilled ? 4 : 3));
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
      outline(context, "circle", x, y, zoom * (isFilled ? 7 : 6));
      context.lineWidth = isFilled ? 1.3 : 0.8;
      context.strokeStyle = palette.text;
      context.stroke();
    }
  }
}

function outline(context, shape, x, y, radius) {
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
    const known = axis.limits.map((value) => value * axis.scale + axis.offset);
    for (const tick of ticks(known[0], known[1], 5)) {
      const value = (tick - axis.offset) / axis.scale;
      if (index === 0) {
        context.textAlign = "center";
        context.textBaseline = "top";
        context.fillText(String(tick), scale.toX(value), rectangle.y + rectangle.height + 4);
      } else {
        context.textAlign = "right";
        context.textBaseline = "middle";
        context.fillText(String(tick), rectangle.x - 5, scale.toY(value));
      }
    }
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

// Where each unit's tile lies: the layers from left to right, each in as many columns as it needs
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

function drawNetwork(context, layers, view, palette, chosen) {
  const { header, arrays } = view;
  drawConnections(context, layers, header.layer_sizes, arrays.weights, palette);
  const side = header.unit_resolution;
  const nUnits = layers.reduce((sum, { tiles }) => sum + tiles.length, 0);
  const across = Math.min(nUnits, 32);
  const image = new ImageData(across * side, Math.ceil(nUnits / across) * side);
  const pixels = new Uint32Array(image.data.buffer);
  for (let unit = 0; unit < nUnits; unit += 1) {
    const [left, top] = [(unit % across) * side, Math.floor(unit / across) * side];
    for (let row = 0; row < side; row += 1) {
      const [from, to] = [(unit * side + side - 1 - row) * side, (top + row) * across * side + left];
      for (let column = 0; column < side; column += 1) {
        pixels[to + column] = activationColor(arrays.units[from + column], palette);
      }
    }
  }
  const atlas = new OffscreenCanvas(image.width, image.height);
  atlas.getContext("2d").putImageData(image, 0, 0);
  let unit = 0;
  for (const { tiles } of layers) {
    for (const { x, y, size } of tiles) {
      const [left, top] = [(unit % across) * side, Math.floor(unit / across) * side];
      context.drawImage(atlas, left, top, side, side, x, y, size, size);
      context.lineWidth = unit === chosen ? 3 : 1;
      context.strokeStyle = unit === chosen ? palette.accent : palette.line;
      context.strokeRect(x, y, size, size);
      unit += 1;
    }
  }
}

// A line for each weight, as thick as it is large beside its layer's largest. Each line is a stroke of its own: browsers
// take much longer over one path of many lines that cross.
function drawConnections(context, layers, layerSizes, weights, palette) {
  let start = 0;
  for (let layer = 0; layer + 1 < layerSizes.length; layer += 1) {
    const [from, to] = [layers[layer].tiles, layers[layer + 1].tiles];
    const kernel = weights.subarray(start, start + from.length * to.length);
    start += kernel.length + to.length;
    const crowd = Math.min(1, 12 / Math.sqrt(kernel.length)); // so that many lines still tell apart
    const least = Math.min(0.4, Math.max(0.1, 1 - 1200 / kernel.length)); // below it, too thin to be seen
    let largest = 0;
    for (const weight of kernel) largest = Math.max(largest, Math.abs(weight));
    for (let index = 0; index < kernel.length; index += 1) {
      const share = Math.abs(kernel[index]) / largest;
      if (!(share >= least)) continue; // also where all are zero
      const [a, b] = [from[Math.floor(index / to.length)], to[index % to.length]];
      context.strokeStyle = kernel[index] > 0 ? palette.positiveLine : palette.negativeLine;
      context.globalAlpha = (0.1 + 0.7 * share) * crowd;
      context.lineWidth = 0.4 + 2.6 * share;
      context.beginPath();
      context.moveTo(a.x + a.size, a.y + a.size / 2);
      context.lineTo(b.x, b.y + b.size / 2);
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

function drawCurves(context, width, height, curves, epoch, palette, { label, limits }) {
  const rectangle = { x: 44, y: 8, width: width - 54, height: height - 32 };
  const values = curves.flatMap(({ values: own }) => own.filter((value) => value !== null));
  const nEpochs = Math.max(1, ...curves.map(({ values: own }) => own.length));
  if (values.length === 0) return;
  const [lower, upper] = limits ?? [0, Math.max(...values) * 1.05 || 1];
  const bottom = limits ? Math.min(limits[1] - 0.1, Math.min(...values) - 0.02) : lower;
  const toX = (index) => rectangle.x + ((index - 1) / Math.max(1, nEpochs - 1)) * rectangle.width;
  const toY = (value) => rectangle.y + ((upper - value) / (upper - bottom)) * rectangle.height;
  context.font = palette.font(11);
  context.fillStyle = palette.muted;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of ticks(bottom, upper, 3)) {
    context.beginPath();
    context.moveTo(rectangle.x, toY(tick));
    context.lineTo(rectangle.x + rectangle.width, toY(tick));
    context.stroke();
    context.fillText(String(tick), rectangle.x - 5, toY(tick));
  }
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
  for (const { values: own, color, dash, isFaded } of curves) {
    context.globalAlpha = isFaded ? 0.3 : 1;
    context.beginPath();
    own.forEach((value, index) => {
      if (value !== null) context.lineTo(toX(index + 1), toY(value));
    });
    context.setLineDash(dash);
    context.strokeStyle = color;
    context.lineWidth = 2;
    context.stroke();
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
  if (epoch !== null && epoch > 0) {
    context.beginPath();
    context.moveTo(toX(epoch), rectangle.y);
    context.lineTo(toX(epoch), rectangle.y + rectangle.height);
    context.strokeStyle = palette.accent;
    context.lineWidth = 1.5;
    context.stroke();
  }
}

// ---- the page

// A control for each setting, as Python describes them
class Controls {
  constructor(page) {
    this.page = page;
    this.refreshers = {};
    this.root = element("form", { onsubmit: (event) => event.preventDefault() });
  }

  build() {
    const byName = Object.fromEntries(this.page.described.map((control) => [control.name, control]));
    this.root.replaceChildren(...Object.entries(GROUPS).map(([group, names]) => element(
      "fieldset", {}, element("legend", {}, TITLES[group]),
      ...names.map((name) => this.buildRow(name, byName[name])),
    )));
    this.refresh();
  }

  buildRow(name, control) {
    const id = `${this.page.prefix}-${name}`;
    const builders = {
      choice: () => this.choiceControl(name, control), number: () => this.numberControl(name, control),
      flag: () => this.flagControl(name), seed: () => this.seedControl(name, control),
      layers: () => this.layersControl(name, control),
    };
    const { input, refresh, extra } = name === "target" ? this.targetControl()
      : name === "features" ? this.featuresControl() : builders[control.kind]();
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

  choiceControl(name, { values }) {
    const input = element("select", {
      onchange: (event) => {
        if (input.value === "own" && this.page.own === null) {
          input.value = this.page.value(name);
          this.page.file.click();
        } else this.page.change({ [name]: input.value }, event);
      },
    }, ...values.map((value) => element("option", { value }, value === "own" ? "own CSV file …" : value)));
    const open = button("Open CSV", () => this.page.file.click(), { class: "open" });
    const refresh = (output) => {
      if (name === "data") {
        input.lastChild.textContent = this.page.own === null ? "own CSV file …" : this.page.own.name;
      }
      input.value = this.page.value(name);
      output.textContent = "";
    };
    return { input, refresh, extra: name === "data" ? open : null };
  }

  numberControl(name, { values }) {
    const input = element("input", {
      type: "range", min: 0, max: values.length - 1, step: 1,
      oninput: (event) => this.page.change({ [name]: values[input.value] }, event),
    });
    const isOfToys = name === "noise" || name === "n_samples";
    const refresh = (output, row) => {
      const value = this.page.value(name);
      input.value = nearestIndex(values, value);
      input.setAttribute("aria-valuetext", shownNumber(value));
      output.textContent = shownNumber(value);
      row.hidden = isOfToys && this.page.value("data") === "own";
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
    const onNext = (event) => this.page.change({ [name]: (this.page.value(name) + 1) % (bounds[1] + 1) }, event);
    const next = button("Next seed", onNext, { class: "next", title: "Other samples, and other initial weights" });
    return { input, refresh: () => { input.value = this.page.value(name); }, extra: next };
  }

  layersControl(name, { most_layers: mostLayers, most_units: mostUnits }) {
    const input = element("div", { role: "group" });
    const onAdd = (event) => this.page.change({ [name]: [...this.page.value(name), 8] }, event);
    const add = button("Add layer", onAdd, { class: "add" });
    const refresh = () => {
      const layers = Array.isArray(this.page.value(name)) ? this.page.value(name) : []; // nonsense is Python's to name
      while (input.children.length > layers.length) input.lastChild.remove();
      while (input.children.length < layers.length) input.append(this.layerRow(name, input.children.length, mostUnits));
      layers.forEach((units, index) => {
        const [range, output] = input.children[index].children;
        range.value = units;
        range.setAttribute("aria-valuetext", `${units} units`);
        output.textContent = units;
      });
      add.disabled = layers.length >= mostLayers;
    };
    return { input, refresh, extra: add };
  }

  layerRow(name, index, mostUnits) {
    const changed = (units, event) => {
      const layers = [...this.page.value(name)];
      layers.splice(index, 1, ...units);
      this.page.change({ [name]: layers }, event);
    };
    const range = element("input", {
      type: "range", min: 1, max: mostUnits, "aria-label": `Units of layer ${index + 1}`,
      oninput: (event) => changed([Number(range.value)], event),
    });
    const remove = button("×", (event) => changed([], event), {
      class: "remove", "aria-label": `Remove layer ${index + 1}`,
    });
    return element("div", { class: "layer" }, range, element("output"), remove);
  }

  targetControl() {
    const input = element("select", {
      onchange: (event) => this.page.change({ target: input.value, features: undefined }, event),
    });
    const refresh = (output, row) => {
      row.hidden = this.page.value("data") !== "own" || this.page.own === null;
      if (row.hidden) return;
      const targets = this.page.own.features.map(([name]) => name);
      input.replaceChildren(...targets.map((value) => element("option", { value }, value)));
      input.value = this.page.value("target") ?? targets.at(-1);
    };
    return { input, refresh };
  }

  featuresControl() {
    const changed = (event) => {
      if (first.value === "") this.page.change({ features: undefined }, event);
      else {
        const others = [...second.options].map((option) => option.value).filter((name) => name !== first.value);
        const other = second.value === first.value ? others[0] : second.value;
        this.page.change({ features: [first.value, other] }, event);
      }
    };
    const first = element("select", { "aria-label": "First feature", onchange: changed });
    const second = element("select", { "aria-label": "Second feature", onchange: changed });
    const input = element("div", { role: "group", class: "features" }, first, second);
    const refresh = (output, row) => {
      row.hidden = this.page.value("data") !== "own" || this.page.own === null;
      if (row.hidden) return;
      const target = this.page.value("target") ?? this.page.own.features.at(-1)[0];
      const [, names] = this.page.own.features.find(([name]) => name === target) ?? [target, []];
      const features = this.page.value("features");
      const chosen = Array.isArray(features) ? features : names.length === 2 ? names : null;
      const options = names.map((value) => [value, value]);
      if (names.length > 2) options.unshift(["", "principal plane of all"]);
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

// Draws points of a class on the plane, erases them, and takes either back
class Pencil {
  constructor(page) {
    this.page = page;
    this.tool = "look";
    this.undoStack = []; // what drawn and erased were before each stroke
    this.stroke = null;
    this.cursor = null; // of the keyboard
    this.root = element("fieldset", { class: "tools" });
    this.undoButton = button("Undo", (event) => this.undo(event));
  }

  listen(on) {
    const { plane } = this.page;
    on(plane, "pointerdown", (event) => this.beginStroke(event));
    on(plane, "pointermove", (event) => this.continueStroke(event));
    for (const name of ["pointerup", "pointercancel"]) on(plane, name, () => this.endStroke());
    on(plane, "keydown", (event) => this.useKey(event));
    on(plane, "blur", () => this.moveCursor(null));
  }

  refresh() {
    const classes = this.page.view?.header.classes ?? ["0", "1"];
    if (this.shownClasses !== JSON.stringify(classes)) {
      this.shownClasses = JSON.stringify(classes);
      const tools = { look: TOOLS.look };
      classes.forEach((label, index) => { tools[`class-${index}`] = label; });
      tools.erase = TOOLS.erase;
      if (!(this.tool in tools)) this.tool = "look";
      this.root.replaceChildren(
        element("legend", {}, "Draw"),
        ...Object.entries(tools).map(([tool, text]) => element(
          "label", { class: tool },
          element("input", {
            type: "radio", name: `${this.page.prefix}-tool`, value: tool,
            "aria-label": tool.startsWith("class-") ? `Class ${text}` : false, onchange: () => this.take(tool),
          }),
          ...(tool.startsWith("class-") ? [element("b", {}, SIGNS[Number(tool.slice(6)) % SIGNS.length])] : []),
          element("span", { title: text }, text),
        )),
        this.undoButton,
      );
      for (const sign of this.root.querySelectorAll("b")) sign.style.color = `var(--${sign.parentElement.className})`;
    }
    for (const input of this.root.querySelectorAll("input[type=radio]")) input.checked = input.value === this.tool;
    this.undoButton.disabled = this.undoStack.length === 0;
    this.page.plane.dataset.tool = this.tool;
  }

  take(tool) {
    this.tool = tool;
    this.refresh();
    this.page.draw();
  }

  pointOf(event) {
    const { left, top, width, height } = this.page.plane.getBoundingClientRect();
    const rectangle = planeRectangle(width, height);
    const [x, y] = [event.clientX - left, event.clientY - top];
    const isWithin = x >= rectangle.x && x <= rectangle.x + rectangle.width
      && y >= rectangle.y && y <= rectangle.y + rectangle.height;
    const scale = planeScale(this.page.view.header, rectangle);
    return isWithin ? { x: scale.fromX(x), y: scale.fromY(y), pixel: [x, y] } : null;
  }

  beginStroke(event) {
    if (this.page.view === null || this.tool === "look" || event.button !== 0) return;
    const point = this.pointOf(event);
    if (point === null || !event.isPrimary) return;
    event.preventDefault();
    this.page.plane.setPointerCapture(event.pointerId);
    this.stroke = { before: this.edits(), last: null };
    this.continueStroke(event);
  }

  continueStroke(event) {
    if (this.stroke === null) return;
    const point = this.pointOf(event);
    if (point === null) return;
    const { last } = this.stroke;
    const isFar = last === null || Math.hypot(point.pixel[0] - last[0], point.pixel[1] - last[1]) > 12;
    if (!isFar && this.tool !== "erase") return;
    this.stroke.last = point.pixel;
    this.edit([point.x, point.y], event);
  }

  endStroke() {
    if (this.stroke === null) return;
    this.remember(this.stroke.before);
    this.stroke = null;
  }

  edits() {
    return { drawn: this.page.value("drawn"), erased: this.page.value("erased") };
  }

  remember(before) {
    if (JSON.stringify(before) !== JSON.stringify(this.edits())) this.undoStack.push(before);
    this.refresh();
  }

  // Draw a point, or erase those nearby
  edit([x, y], event) {
    if (this.page.viewOrigin !== this.page.origin()) return; // the picture is of other samples
    if (this.tool === "erase") {
      this.eraseAround(x, y, event);
      return;
    }
    const label = Number(this.tool.slice("class-".length));
    const { most } = this.page.described.find((control) => control.name === "drawn");
    if (this.page.value("drawn").length >= most) {
      this.page.say(`At most ${most} points can be drawn.`, "problem");
      return;
    }
    const rounded = [x, y].map((value, axis) => {
      const [lower, upper] = this.page.view.header.axes[axis].limits;
      return Math.min(upper, Math.max(lower, Number(value.toFixed(3))));
    });
    this.page.change({ drawn: [...this.page.value("drawn"), [...rounded, label]] }, event);
  }

  eraseAround(x, y, event) {
    const { width, height } = this.page.plane.getBoundingClientRect();
    const scale = planeScale(this.page.view.header, planeRectangle(width, height));
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
    this.page.drawPlane();
  }

  useKey(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (this.page.view === null || this.tool === "look") return;
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
      this.remember(before);
    }
  }

  forget() {
    this.undoStack = [];
  }
}

// The epochs of the last training, one after the other
class Film {
  constructor(page) {
    this.page = page;
    this.nEpochs = 0; // 0 while there is no film
    this.finalEpoch = 0; // whose network is the result: with early stopping, the best one
    this.epoch = null; // on the page; null is the result
    this.epochWanted = 0;
    this.frameAsked = false;
    this.frameId = 0;
    this.playing = null;
    this.playButton = button("Play", () => this.toggle(), { disabled: true });
    this.backButton = button("‹", () => this.step(-1), { disabled: true, "aria-label": "One epoch back" });
    this.forwardButton = button("›", () => this.step(1), { disabled: true, "aria-label": "One epoch on" });
    this.slider = element("input", {
      type: "range", min: 0, max: 0, value: 0, disabled: true, "aria-label": "Epoch of the film",
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
    this.epochWanted = finalEpoch;
    this.frameAsked = false;
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
    this.epochWanted = epoch;
    this.slider.value = epoch;
    if (this.frameAsked || this.nEpochs === 0) return;
    this.frameAsked = true;
    this.frameId = this.page.ask("frame", { epoch });
  }

  step(epochs) {
    this.stop();
    this.show(Math.min(this.nEpochs, Math.max(0, this.epochWanted + epochs)));
  }

  toggle() {
    if (this.playing !== null) {
      this.stop();
      return;
    }
    if (this.epochWanted >= this.nEpochs) this.show(0);
    const stride = Math.max(1, Math.round(this.nEpochs / (FILM_SECONDS * FRAMES_A_SECOND)));
    const tick = () => {
      if (!this.frameAsked) {
        if (this.epochWanted >= this.nEpochs) {
          this.stop();
          return;
        }
        this.show(Math.min(this.nEpochs, this.epochWanted + stride));
      }
      this.playing = setTimeout(tick, 1000 / FRAMES_A_SECOND);
    };
    this.playing = setTimeout(tick, 1000 / FRAMES_A_SECOND);
    this.refresh();
  }

  stop() {
    clearTimeout(this.playing);
    this.playing = null;
    this.refresh();
  }

  // Take note of a frame that has come, and ask for the one that is wanted by now; return whether there is a film
  takes(epoch) {
    this.frameAsked = false;
    if (this.nEpochs === 0) return false;
    this.epoch = epoch === this.finalEpoch ? null : epoch;
    if (this.epochWanted !== epoch) this.show(this.epochWanted);
    return true;
  }

  // Where several views ask at once, Python drops the older requests: ask again
  othersFrameCame(id) {
    if (!this.frameAsked || id < this.frameId) return;
    this.frameAsked = false;
    this.show(this.epochWanted);
  }
}

// The page: what Python answers, the settings, and all that is drawn
class Explorer {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    root.explorer = this; // for whoever looks at the page from its console
    this.prefix = `moonnet-${Math.random().toString(36).slice(2)}`; // a notebook loads this module for each widget anew
    this.settings = { ...model.get("settings") };
    this.defaults = {};
    this.own = null;
    this.pendingIds = new Set(); // requests whose answers are this view's alone
    this.trainId = 0; // of the newest training asked for
    this.shownId = 0; // of the training on the page
    this.took = null; // milliseconds from the last movement to its pixels
    this.movedAt = new Map(); // when the movement was that led to a request
    this.origins = new Map(); // and which samples it asked for
    this.viewOrigin = null; // the same of the picture on the page
    this.view = null;
    this.history = {};
    this.isFaded = false; // whether its held-out figures are those of an earlier training
    this.unit = null; // that the plane shows
    this.controls = new Controls(this);
    this.film = new Film(this);
    this.pencil = new Pencil(this);
    this.build();
    this.listen();
    this.ask("hello");
  }

  value(name) {
    return this.settings[name] ?? this.defaults[name];
  }

  ask(kind, content = {}) {
    // Rises from one view of a widget to the next, in whichever window it is
    lastId = Math.max(lastId + 1, 1000 * Date.now());
    if (kind !== "train") this.pendingIds.add(lastId);
    this.model.send({ kind, id: lastId, ...content });
    return lastId;
  }

  // -- building

  build() {
    this.status = element("p", { class: "status", role: "status" }, "Connecting");
    this.accuracy = element("output", { class: "accuracy" }, "–");
    this.figures = element("p", { class: "figures" });
    this.plane = element("canvas", {
      class: "plane", tabindex: 0, role: "img", "aria-label": "The plane, not yet learned",
      "aria-describedby": `${this.prefix}-drawing`,
    });
    this.networkTitle = element("h2", {}, "Network");
    this.network = element("canvas", { class: "network", tabindex: 0, role: "img", "aria-label": "The network" });
    this.lossCurves = element("canvas", { class: "curves", role: "img", "aria-label": "Loss by epoch" });
    this.accuracyCurves = element("canvas", { class: "curves", role: "img", "aria-label": "Accuracy by epoch" });
    this.heldOut = element("input", { type: "checkbox", checked: true, onchange: () => this.draw() });
    this.file = element("input", {
      type: "file", accept: ".csv,.tsv,.txt,text/csv", hidden: true, "aria-label": "CSV file",
      onchange: () => this.upload(),
    });
    this.dialog = element(
      "dialog", { class: "script", "aria-label": "Python" },
      element("pre", { tabindex: 0 }),
      element("p", { role: "status" }),
      element("form", { method: "dialog" }, element("button", { autofocus: true }, "Close")),
    );
    this.downloads = element(
      "div", { class: "downloads", role: "group", "aria-label": "Take it home" },
      button("Copy Python", () => this.ask("script"), { class: "main" }),
      button("PNG", () => this.savePicture(), { title: "The plane as a picture" }),
      button("skops", () => this.ask("file", { format: "skops" }), {
        title: "The scikit-learn estimator, for skops.io.load",
      }),
      button("Keras", () => this.ask("file", { format: "keras" }), {
        title: "The Keras model, for keras.models.load_model",
      }),
      button("CSV", () => this.ask("file", { format: "csv" }), { title: "The samples as a table" }),
    );
    this.root.replaceChildren(
      element(
        "div", { class: "layout" },
        element(
          "header", {},
          element("h1", {}, "moonnet ", element("span", {}, "explorer")),
          this.status,
          button("Reset", (event) => this.reset(event), { title: "Begin again with all defaults" }),
        ),
        element("section", { class: "panel settings", "aria-label": "Settings" }, this.controls.root, this.file),
        element(
          "section", { class: "panel picture", "aria-label": "Plane" },
          this.plane,
          element(
            "p", { id: `${this.prefix}-drawing`, class: "visually-hidden" },
            "With a drawing tool chosen, the arrow keys move a cross over the plane, and Enter draws or erases there.",
          ),
          element(
            "p", { class: "key" },
            "Filled: training. Hollow: held out. Ringed: wrong.",
            element("label", {}, this.heldOut, element("span", {}, "show held-out points")),
          ),
          this.pencil.root,
          this.film.root,
        ),
        element(
          "section", { class: "panel results", "aria-label": "Results" },
          element("p", { class: "accuracy-label" }, "Accuracy on held-out points"),
          this.accuracy, this.figures,
          element(
            "p", { class: "legend" },
            element("span", {}, "training"), element("span", { class: "held-out" }, "held out"),
          ),
          this.lossCurves, this.accuracyCurves, this.downloads,
        ),
        element("section", { class: "panel units", "aria-label": "Network" }, this.networkTitle, this.network),
      ),
      this.dialog,
    );
  }

  listen() {
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    const on = (target, name, handler) => target.addEventListener(name, handler, { signal });
    this.pencil.listen(on);
    on(this.network, "pointermove", (event) => this.choose(this.unitAt(event)));
    on(this.network, "pointerdown", (event) => this.choose(this.unitAt(event)));
    on(this.network, "pointerleave", (event) => event.pointerType !== "touch" && this.choose(null));
    on(this.network, "blur", () => this.choose(null));
    on(this.network, "keydown", (event) => this.chooseByKey(event));
    on(window.matchMedia("(prefers-color-scheme: dark)"), "change", () => this.draw());
    // Keys without Ctrl, Alt or Meta are the page's where it has the focus, not JupyterLab's
    window.addEventListener("keydown", ({ target, ctrlKey, altKey, metaKey }) => {
      if (this.root.contains(target)) {
        target.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || altKey || metaKey));
      }
    }, { signal, capture: true });
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.root);
    this.themes = new MutationObserver(() => this.isDark() !== this.cachedPalette?.isDark && this.draw());
    for (const node of [document.documentElement, document.body]) this.themes.observe(node, { attributes: true });
    this.onMessage = (content, buffers) => this.receive(unpacked(buffers[0]));
    this.onSettings = () => this.takeSettings();
    this.onConnection = ({ open }) => this.connectionChanged(open);
    this.model.on("msg:custom", this.onMessage);
    this.model.on("change:settings", this.onSettings);
    this.model.on("connection", this.onConnection);
  }

  close() {
    this.stopping.abort();
    this.sizes.disconnect();
    this.themes.disconnect();
    this.film.stop();
    this.model.off("msg:custom", this.onMessage);
    this.model.off("change:settings", this.onSettings);
    this.model.off("connection", this.onConnection);
  }

  // -- answers

  receive({ header, arrays }) {
    const answers = {
      controls: () => this.takeControls(header),
      table: () => this.takeTable(header),
      busy: () => this.say(`${header.what} …`, "busy"),
      problem: () => this.takeProblem(header),
      picture: () => this.takePicture(header, arrays),
      film: () => this.takeFilm(header),
      frame: () => this.takeFrame(header, arrays),
      script: () => this.showScript(header.text),
      file: () => save(arrays.content, header.name),
    };
    if (this.isForMe(header)) answers[header.kind]?.();
  }

  // Python's answers reach every view of a widget, but only the training is shared
  isForMe({ kind, id }) {
    const isOwn = this.pendingIds.delete(id);
    if (kind === "controls") return isOwn || this.described === undefined;
    if (kind === "frame" && !isOwn) this.film.othersFrameCame(id);
    return isOwn || !["frame", "script", "file"].includes(kind);
  }

  say(text, kind = "") {
    this.status.textContent = text;
    this.status.dataset.kind = kind;
  }

  connectionChanged(open) {
    if (open) this.ask("hello");
    else {
      this.say("Not connected: trying again … (Start moonnet explore again, if it has ended.)", "problem");
      this.setStale(true);
    }
  }

  takeProblem(header) {
    this.say(header.message, "problem");
    if (header.id === this.trainId) this.setStale(true);
  }

  // Whether the network on the page is another than the settings describe: it is not for taking home then
  setStale(isStale) {
    this.root.classList.toggle("stale", isStale);
    for (const button of this.downloads.querySelectorAll("button")) button.disabled = isStale;
    if (isStale) this.film.stop();
  }

  takeControls(header) {
    this.own = header.own;
    this.mostBytes = header.most_bytes;
    this.described = header.controls;
    this.defaults = Object.fromEntries(header.controls.map((control) => [control.name, control.default]));
    if (!this.bringTableBack()) this.train();
    this.controls.build();
  }

  takeTable(header) {
    this.own = header.own;
    if (this.isBringingBack) {
      this.isBringingBack = false;
      this.refreshControls();
      this.train();
    } else this.change({ data: "own", target: undefined, features: undefined });
  }

  // Where the server was started again, it knows nothing of a table that was opened before
  bringTableBack() {
    if (this.own !== null || this.uploaded === undefined || this.value("data") !== "own") return false;
    this.isBringingBack = true;
    this.ask("upload", this.uploaded);
    return true;
  }

  takePicture(header, arrays) {
    if (header.id < this.trainId && header.id < this.shownId) return;
    this.shownId = header.id;
    this.view = { header, arrays };
    this.setStale(false);
    // While a slider moves, held-out figures come late: the curves before stay, faded
    this.isFaded = header.history.test_loss === undefined && this.history.test_loss !== undefined;
    const { test_loss: loss, test_accuracy: accuracy } = this.history;
    this.history = this.isFaded ? { ...header.history, test_loss: loss, test_accuracy: accuracy } : header.history;
    this.viewOrigin = this.origins.get(header.id) ?? this.origin();
    this.film.set(0, header.history.loss.length);
    this.pencil.refresh();
    this.drawPlane();
    this.showFigures();
    if (!header.final) this.say(`training … epoch ${header.history.loss.length}`, "busy");
    const moved = this.movedAt.get(header.id);
    afterFrame(() => {
      this.took = moved === undefined ? null : measureMovement(header.id, moved);
      if (header.final && header.id >= this.trainId) this.describe();
      this.drawCurves(); // later, for these take longest
      this.drawUnits();
    });
    for (const id of this.movedAt.keys()) {
      if (id <= header.id) {
        this.movedAt.delete(id);
        this.origins.delete(id);
      }
    }
  }

  takeFilm(header) {
    if (header.id !== this.shownId) return;
    this.history = header.history;
    this.isFaded = false;
    this.film.set(header.epochs, header.final_epoch);
    this.showFigures();
    this.drawCurves();
    if (header.id >= this.trainId) this.describe();
  }

  takeFrame(header, arrays) {
    if (header.id < this.shownId || !this.film.takes(header.epoch)) return;
    this.view = { header, arrays };
    this.draw();
  }

  describe() {
    const { took } = this;
    const nEpochs = this.history.loss.length;
    const how = nEpochs < this.value("epochs") ? "Training stopped early, after" : "Trained for";
    const parts = [`${how} ${nEpochs} ${nEpochs === 1 ? "epoch" : "epochs"}`];
    if (this.film.finalEpoch < this.film.nEpochs) parts.push(`best epoch ${this.film.finalEpoch}`);
    if (took !== null) parts.push(`shown ${duration(took)} after the change`);
    if (this.view.header.note) parts.push(this.view.header.note);
    this.say(parts.join("; "));
  }

  // -- settings

  change(values, event = null) {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined || JSON.stringify(value) === JSON.stringify(this.defaults[name])) {
        delete this.settings[name];
      } else this.settings[name] = value;
    }
    // Indices of erased samples say nothing of others; points that were drawn lie on another plane
    const isNewSplit = "random_state" in values && this.value("data") === "own"; // which standardises anew
    const isElsewhere = isNewSplit || ["data", "target", "features"].some((name) => name in values);
    if (isElsewhere || "n_samples" in values || "random_state" in values) {
      delete this.settings.erased;
      if (isElsewhere) delete this.settings.drawn;
      this.pencil.forget();
    }
    this.keepSettings();
    this.refreshControls();
    this.train(event);
  }

  keepSettings() {
    this.model.set("settings", { ...this.settings });
    this.model.save_changes();
  }

  // Settings that came from elsewhere: Python, or the address
  takeSettings() {
    const settings = this.model.get("settings");
    if (JSON.stringify(settings) === JSON.stringify(this.settings)) return;
    this.settings = { ...settings };
    this.pencil.forget();
    this.refreshControls();
    this.train();
  }

  train(event = null) {
    this.film.stop();
    this.trainId = this.ask("train", { settings: this.settings });
    this.origins.set(this.trainId, this.origin());
    this.movedAt.set(this.trainId, event?.timeStamp ?? performance.now());
  }

  // What decides which samples there are, but for their noise, as text
  origin() {
    return JSON.stringify(["data", "target", "features", "n_samples", "random_state"].map((name) => this.value(name)));
  }

  reset(event) {
    this.settings = {};
    this.pencil.forget();
    this.pencil.tool = "look";
    this.keepSettings();
    this.refreshControls();
    this.train(event);
  }

  refreshControls() {
    this.controls.refresh();
    this.pencil.refresh();
  }

  // -- own table

  async upload() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    if (file.size > this.mostBytes) {
      this.say(`${file.name} must hold at most ${this.mostBytes / 2 ** 20} MB.`, "problem");
      return;
    }
    this.say(`reading ${file.name} …`, "busy");
    const address = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(file);
    });
    this.uploaded = { name: file.name, content: address.slice(address.indexOf(",") + 1) };
    this.isBringingBack = false;
    this.ask("upload", this.uploaded);
  }

  // -- units

  unitAt(event) {
    if (!this.layers) return null;
    const { left, top } = this.network.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const tiles = this.layers.flatMap((layer) => layer.tiles);
    const unit = tiles.findIndex((tile) => x >= tile.x && x <= tile.x + tile.size && y >= tile.y && y <= tile.y + tile.size);
    return unit < 0 ? null : unit;
  }

  // The chosen unit in words
  unitName() {
    const { axes, classes, layer_sizes: sizes } = this.view.header;
    let [layer, unit] = [0, this.unit];
    while (unit >= sizes[layer]) {
      unit -= sizes[layer];
      layer += 1;
    }
    if (layer === 0) return `input ${axes[unit].name}`;
    if (layer < sizes.length - 1) return `unit ${unit + 1} of layer ${layer}`;
    return `logit of class ${classes[classes.length === 2 ? 1 : unit]}`;
  }

  choose(unit) {
    if (unit === this.unit || this.view === null) return;
    this.unit = unit;
    this.drawPlane();
    this.drawUnits();
  }

  chooseByKey(event) {
    const moves = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
    if (event.key === "Escape") this.choose(null);
    if (!(event.key in moves) || !this.layers) return;
    event.preventDefault();
    const nUnits = this.layers.reduce((sum, layer) => sum + layer.tiles.length, 0);
    this.choose(this.unit === null ? 0 : (this.unit + moves[event.key] + nUnits) % nUnits);
  }

  // -- drawing

  palette() {
    const isDark = this.isDark();
    this.root.classList.toggle("dark", isDark);
    if (this.cachedPalette?.isDark !== isDark) {
      const style = getComputedStyle(this.root);
      const color = (name) => style.getPropertyValue(`--${name}`).trim();
      const background = rgb(color("plane"));
      const fading = (name, least, most) => pixelsBetween(background, rgb(color(name)), least, most);
      const classes = Array.from({ length: 10 }, (_, index) => color(`class-${index}`));
      this.cachedPalette = {
        isDark, classes, background: color("plane"), text: color("text"), muted: color("muted"), line: color("line"),
        accent: color("accent"), font: (size, weight = "") => `${weight} ${size}px ${style.fontFamily}`,
        shades: classes.map((_, index) => fading(`class-${index}`, 0.12, 0.62)),
        positive: fading("class-1", 0, 1), negative: fading("class-0", 0, 1),
        positiveLine: color("class-1"), negativeLine: color("class-0"),
      };
    }
    return this.cachedPalette;
  }

  // A notebook has a theme of its own: as dark as what the page lies on
  isDark() {
    if (this.root.dataset.moonnetSocket !== undefined) return matchMedia("(prefers-color-scheme: dark)").matches;
    if (!this.root.isConnected) return this.cachedPalette?.isDark ?? false;
    for (let at = this.root.parentElement; at; at = at.parentElement ?? at.getRootNode().host) {
      const { backgroundColor } = getComputedStyle(at);
      const [red, green, blue, alpha] = backgroundColor === "rgba(0, 0, 0, 0)" ? [0, 0, 0, 0] : pixelOf(backgroundColor);
      if (alpha > 127) return 0.3 * red + 0.6 * green + 0.1 * blue < 128;
    }
    return false;
  }

  // Where the output is folded or scrolled far away, nothing is drawn until it comes back
  isSeen() {
    return this.view !== null && this.root.clientWidth > 0;
  }

  draw() {
    const palette = this.palette();
    if (!this.isSeen()) return;
    this.pencil.refresh();
    this.drawPlane(palette);
    this.drawUnits(palette);
    this.showFigures();
    this.drawCurves(palette);
    this.film.refresh();
  }

  drawPlane(palette = this.palette()) {
    if (!this.isSeen()) return;
    const { context, width, height } = contextOf(this.plane);
    const nUnits = this.view.header.layer_sizes.reduce((sum, units) => sum + units, 0);
    const unit = this.unit !== null && this.unit < nUnits ? this.unit : null;
    const options = { showsHeldOut: this.heldOut.checked, unit, cursor: this.pencil.cursor };
    drawPlane(context, width, height, this.view, palette, options);
    const { header } = this.view;
    const kind = unit === null ? "Decision regions" : `Activation of ${this.unitName()}`;
    this.plane.setAttribute("aria-label",
      `${kind} over ${header.axes[0].name} and ${header.axes[1].name}; held-out accuracy ${percent(header.test_accuracy)}`);
  }

  drawUnits(palette = this.palette()) {
    if (!this.isSeen()) return;
    const { context, width, height } = contextOf(this.network);
    const sizes = this.view.header.layer_sizes;
    this.layers = networkLayout(sizes, width, height);
    drawNetwork(context, this.layers, this.view, palette, this.unit);
    const nWeights = this.view.arrays.weights.length;
    const title = `Network ${sizes.join("-")}, ${nWeights.toLocaleString("en")} parameters`;
    this.networkTitle.textContent = this.unit === null ? title : `${title}: ${this.unitName()}`;
    this.network.setAttribute("aria-label", `${title}. The arrow keys show the units on the plane one by one.`);
  }

  // The epoch that the curves mark: that of the network on the page, unless it is the last
  markedEpoch() {
    const epoch = this.film.epoch ?? this.film.finalEpoch;
    return epoch === this.history.loss?.length ? null : epoch;
  }

  showFigures() {
    const { header } = this.view;
    this.accuracy.textContent = percent(header.test_accuracy);
    const at = (this.film.epoch ?? this.film.finalEpoch) - 1;
    const shown = (name) => this.history[name]?.[at]?.toFixed(3);
    const losses = [["training", shown("loss")], ["held-out", !this.isFaded && shown("test_loss")]]
      .filter(([, loss]) => loss);
    this.figures.replaceChildren(
      element("span", {}, `training accuracy ${percent(header.accuracy)}`),
      element("span", {}, losses.map(([name, loss]) => `${name} loss ${loss}`).join(", ")),
    );
  }

  drawCurves(palette = this.palette()) {
    if (!this.isSeen()) return;
    const curves = (name) => [
      { values: this.history[name] ?? [], color: palette.text, dash: [] },
      { values: this.history[`test_${name}`] ?? [], color: palette.accent, dash: [5, 3], isFaded: this.isFaded },
    ];
    const loss = contextOf(this.lossCurves);
    drawCurves(loss.context, loss.width, loss.height, curves("loss"), this.markedEpoch(), palette, { label: "loss" });
    const accuracy = contextOf(this.accuracyCurves);
    drawCurves(accuracy.context, accuracy.width, accuracy.height, curves("accuracy"), this.markedEpoch(), palette, {
      label: "accuracy", limits: [0, 1],
    });
  }

  // -- taking it home

  fileStem() {
    return this.value("data") === "own" ? this.own.name.replace(/\.[^.]*$/, "") : this.value("data");
  }

  async savePicture() {
    if (this.view === null) return;
    const [size, ratio] = [640, 2];
    const canvas = new OffscreenCanvas(size * ratio, size * ratio);
    const context = canvas.getContext("2d");
    const palette = this.palette();
    context.scale(ratio, ratio);
    context.fillStyle = palette.background;
    context.fillRect(0, 0, size, size);
    const options = { showsHeldOut: this.heldOut.checked, unit: null, cursor: null };
    drawPlane(context, size, size, this.view, palette, options);
    save(await canvas.convertToBlob({ type: "image/png" }), `${this.fileStem()}.png`);
  }

  async showScript(text) {
    const [code, status] = this.dialog.children;
    code.textContent = text;
    status.textContent = "";
    if (!this.dialog.open) this.dialog.showModal();
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = "Copied to the clipboard.";
    } catch {
      status.textContent = "The clipboard is closed to this page: select the text and copy it.";
    }
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

// ---- in a browser: a socket in place of anywidget's model, and the address in place of its settings

class SocketModel {
  constructor(path) {
    const address = new URL(path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    this.address = address;
    this.handlers = {};
    this.settings = settingsOf(location.hash);
    window.addEventListener("hashchange", () => {
      this.settings = settingsOf(location.hash);
      this.call("change:settings");
    });
    this.connect(0);
  }

  connect(wait) {
    this.socket = new WebSocket(this.address);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }) => this.call("msg:custom", {}, [new DataView(data)]));
    this.socket.addEventListener("open", () => {
      this.wait = 0;
      this.call("connection", { open: true });
    });
    this.socket.addEventListener("close", ({ code }) => {
      if (code === TOO_MANY_PAGES) return; // which Python has said
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

  // Browsers allow few changes of the address in a short time
  save_changes() {
    clearTimeout(this.saving);
    this.saving = setTimeout(() => history.replaceState(null, "", `#${hashOf(this.settings)}`), 250);
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

function hashOf(settings) {
  const plain = (value) => (typeof value === "string" && !isJson(value) ? value : JSON.stringify(value));
  return Object.entries(settings).map(([name, value]) => `${name}=${encodeURIComponent(plain(value))}`).join("&");
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function settingsOf(hash) {
  const settings = Object.create(null); // so that no name is special
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
