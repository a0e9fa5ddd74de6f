import { drawLine, prepareCanvas } from "./canvas.js";
import { element } from "./dom.js";
import { networkLayout } from "./network_layout.js";
import { drawUnitCharts, drawUnitPlanes } from "./unit_pictures.js";

const SYMBOLS_WIDTH = 44; // pixels left of the inputs

function drawNetwork(context, layers, { header, arrays }, palette, selected) {
  drawConnections(context, layers, arrays.weights, palette);
  const tiles = layers.flat();
  const drawUnits = header.picture === "curve" ? drawUnitCharts : drawUnitPlanes;
  drawUnits(context, tiles, header.unit_resolution, arrays.units, palette);
  tiles.forEach(({ x, y, size }, unit) => {
    context.lineWidth = unit === selected ? 3 : 1;
    context.strokeStyle = unit === selected ? palette.accent : palette.line;
    context.strokeRect(x, y, size, size);
  });
  drawSymbols(context, layers[0], header.input_symbols, palette);
}

// The symbol of each input, left of its tile
function drawSymbols(context, tiles, symbols, palette) {
  context.font = palette.font(12);
  context.fillStyle = palette.muted;
  context.textAlign = "right";
  context.textBaseline = "middle";
  tiles.forEach(({ x, y, size }, index) => context.fillText(symbols[index], x - 5, y + size / 2, SYMBOLS_WIDTH - 6));
}

// A line for each weight; its width is relative to the layer's largest weight. Each line is a separate stroke, because
// browsers are much slower with one path of many crossing lines.
function drawConnections(context, layers, weights, palette) {
  let start = 0;
  for (let layer = 0; layer + 1 < layers.length; layer += 1) {
    const [from, to] = [layers[layer], layers[layer + 1]];
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
      drawLine(context, a.x + a.size, a.y + a.size / 2, b.x, b.y + b.size / 2);
    }
    context.globalAlpha = 1;
  }
}

// The picture of the network: its weights, and the activation of each unit; a selected unit is shown on the plane
export class NetworkPicture {
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
    const unit = this.layers.flat().findIndex(isWithin);
    return unit < 0 ? null : unit;
  }

  // A description of the selected unit
  unitName() {
    const { inputs, target, quantiles, classes, layer_sizes: sizes } = this.page.view.header;
    let [layer, unit] = [0, this.unit];
    while (unit >= sizes[layer]) {
      unit -= sizes[layer];
      layer += 1;
    }
    if (layer === 0) return `input ${inputs[unit]}`;
    if (layer < sizes.length - 1) return `unit ${unit + 1} of layer ${layer}`;
    if (target !== null) {
      return quantiles.length > 1 ? `output for the quantile ${quantiles[unit]}` : `output, from which ${target.name} is computed`;
    }
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
    const nUnits = this.layers.flat().length;
    this.select(this.unit === null ? 0 : (this.unit + moves[event.key] + nUnits) % nUnits);
  }

  draw(palette = this.page.theme.palette()) {
    if (!this.page.isVisible()) return;
    const { view } = this.page;
    const { context, width, height } = prepareCanvas(this.canvas);
    const sizes = view.header.layer_sizes;
    this.layers = networkLayout(sizes, width, height, SYMBOLS_WIDTH);
    drawNetwork(context, this.layers, view, palette, this.unit);
    const nMembers = view.header.n_members;
    const name = nMembers === 1 ? "Network" : `Member 1 of ${nMembers}:`;
    const title = `${name} ${sizes.join("-")}, ${view.arrays.weights.length.toLocaleString("en")} parameters`;
    this.title.textContent = this.unit === null ? title : `${title}: ${this.unitName()}`;
    this.canvas.setAttribute("aria-label", `${title}. The arrow keys select a unit, which is then shown on the plane.`);
  }
}
