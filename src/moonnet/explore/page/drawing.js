import { element, button } from "./dom.js";
import { SHAPE_SYMBOLS } from "./points.js";
import { roundCoordinate } from "./scales.js";

// The drawing tools: they draw points of a class on the plane, erase points, and undo either
export class DrawingTools {
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
    const { classes, picture } = this.page.view?.header ?? { classes: ["0", "1"], picture: "regions" };
    const shown = JSON.stringify([classes, picture]);
    if (this.shown !== shown) {
      this.shown = shown;
      this.build(classes, picture);
    }
    for (const input of this.root.querySelectorAll("input[type=radio]")) input.checked = input.value === this.tool;
    this.undoButton.disabled = this.undoStack.length === 0;
    this.page.plane.canvas.dataset.tool = this.tool;
  }

  // On a curve, a point of class 0 is one of numbers; a surface has no axis for the numbers, so samples are only erased
  build(classes, picture) {
    const pens = picture === "curve" ? ["Point"] : classes;
    const tools = [["off", "Off"], ...pens.map((label, index) => [`class-${index}`, label]), ["erase", "Erase"]];
    if (!tools.some(([tool]) => tool === this.tool)) this.tool = "off";
    const buildTool = ([tool, text]) => {
      const isClass = tool.startsWith("class-") && picture === "regions";
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
    const title = picture === "surface" ? "Samples" : "Draw";
    this.root.replaceChildren(element("legend", {}, title), ...tools.map(buildTool), this.undoButton);
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
