import { curvesRectangle, drawCurves, epochAt } from "./curves_picture.js";
import { element, prepareCanvas } from "./dom.js";
import { formatPercent } from "./formats.js";

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
      const epoch = epochAt(event.clientX - left, curvesRectangle(width, height), nEpochs);
      this.pointed = { name, canvas, epoch };
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
    return film.shownEpoch === history.loss?.length ? null : film.shownEpoch;
  }
}
