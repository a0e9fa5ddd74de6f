import { prepareCanvas } from "./canvas.js";
import { curveMarks } from "./curve_picture.js";
import { element } from "./dom.js";
import { layoutLegend, drawLegend } from "./legend.js";
import { planeRectangle, planeScale, drawPlane } from "./plane_picture.js";
import { mainScore } from "./score_texts.js";

// What each kind of picture shows, and the key of its marks
const PICTURES = {
  regions: {
    content: () => "Decision regions",
    key: () => "Filled: training. Hollow: held out. Ringed: misclassified.",
    members: () => "Thin lines: members. Shaded: they disagree.",
  },
  curve: {
    content: () => "Curve",
    key: (header) => {
      const { line, band } = curveMarks(header);
      return `Filled: training. Hollow: held out. Line: ${line}.${band ? ` Band: ${band}.` : ""}`;
    },
    members: ({ band }) => `Thin lines: members.${band ? "" : " Band: two standard deviations."}`,
  },
  surface: {
    content: ({ target }) => `Surface of ${target.name}`,
    key: ({ target }) => `Circles: training. Squares: held out. Colours: ${target.name}.`,
    members: () => "Shaded: members disagree.",
  },
};

// The plane: predictions or the activation of a unit, and the samples
export class Plane {
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
    this.members = element("input", { type: "checkbox", checked: true, onchange: () => page.draw() });
    this.membersLabel = element("label", { hidden: true }, this.members, element("span", {}, "Show members"));
    this.heldOut = element("input", { type: "checkbox", checked: true, onchange: () => page.draw() });
    this.marks = element("span");
    this.key = element(
      "p", { class: "key" }, this.marks, element(
        "span", { class: "switches" },
        this.membersLabel, element("label", {}, this.heldOut, element("span", {}, "Show held out")),
      ),
    );
  }

  // Between coordinates and the canvas's pixels
  scale() {
    const { width, height } = this.canvas.getBoundingClientRect();
    return planeScale(this.page.view.header, planeRectangle(this.page.view.header, width, height));
  }

  // The coordinates and pixel of a pointer event; null outside the plane
  pointAt(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const rectangle = planeRectangle(this.page.view.header, width, height);
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
    const options = { ...this.shown(), unit, cursor: drawing.cursor };
    drawPlane(context, width, height, view, palette, options);
    const picture = PICTURES[view.header.picture];
    const content = unit === null ? picture.content(view.header) : `Activation of ${network.unitName()}`;
    const [first, second] = view.header.axes.map((axis) => axis.name);
    const { name, text } = mainScore(view.header);
    this.canvas.setAttribute("aria-label", `${content} over ${first} and ${second}; ${name} ${text}`);
    const hasMembers = view.header.n_members > 1;
    const key = [picture.key(view.header), ...(hasMembers ? [picture.members(view.arrays)] : [])];
    this.marks.textContent = key.join(" ");
    this.membersLabel.hidden = !hasMembers;
  }

  shown() {
    return { showsHeldOut: this.heldOut.checked, showsMembers: this.members.checked };
  }

  // A PNG of the predictions with a legend
  toBlob() {
    const [size, ratio] = [640, 2];
    const palette = this.page.theme.palette();
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext("2d");
    const legend = layoutLegend(context, size, this.page.view.header, palette, this.shown());
    canvas.width = size * ratio;
    canvas.height = (size + legend.height) * ratio;
    context.scale(ratio, ratio);
    context.fillStyle = palette.background;
    context.fillRect(0, 0, size, size + legend.height);
    const options = { ...this.shown(), unit: null, cursor: null };
    drawPlane(context, size, size, this.page.view, palette, options);
    drawLegend(context, size, legend.entries, palette);
    return canvas.convertToBlob({ type: "image/png" });
  }
}
