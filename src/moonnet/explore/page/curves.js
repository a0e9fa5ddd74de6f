import { drawLine, drawVerticalText, prepareCanvas } from "./canvas.js";
import { element } from "./dom.js";
import { formatPercent } from "./formats.js";
import { ticks, tickLabels } from "./scales.js";

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
    context.strokeStyle = color;
    context.lineWidth = 1.5;
    drawLine(context, scale.toX(epoch), rectangle.y, scale.toX(epoch), rectangle.y + rectangle.height);
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
    drawLine(context, rectangle.x, y, rectangle.x + rectangle.width, y);
    context.fillText(tickLabel, rectangle.x - 5, y, rectangle.x - 17);
  });
  context.textBaseline = "top";
  context.textAlign = "left";
  context.fillText("1", rectangle.x, rectangle.y + rectangle.height + 5);
  context.textAlign = "right";
  const last = nEpochs === 1 ? "1 epoch" : `${nEpochs} epochs`;
  context.fillText(last, rectangle.x + rectangle.width, rectangle.y + rectangle.height + 5);
  drawVerticalText(context, label, 11, rectangle.y + rectangle.height / 2);
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

// Loss and accuracy by epoch; the values of the epoch under the pointer are shown beside it
export class Curves {
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
    this.accuracy.hidden = this.page.history.accuracy === undefined; // of numbers
    if (!this.accuracy.hidden) this.drawMetric(this.accuracy, "accuracy", [0, 1], palette);
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
