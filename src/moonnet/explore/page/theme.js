import { rgbOfHex, colorMap, opacityMap } from "./colors.js";

// Red, green, blue and alpha (0 to 255) of any CSS colour
function rgbaOf(color) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

// Light and dark colours, following the system in a browser and the surroundings in a notebook
export class Theme {
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
        shading: opacityMap(rgbOfHex(color("text")), 0.6),
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
