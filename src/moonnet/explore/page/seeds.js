import { prepareCanvas } from "./canvas.js";
import { element, button } from "./dom.js";
import { drawPlaneContent } from "./plane_picture.js";
import { mainScore } from "./score_texts.js";

const N_SEEDS = 9;

// The block of nine consecutive seeds that contains a seed; the first block begins with a given one. 0 follows maxSeed.
export function seedBlock(first, seed, maxSeed) {
  const nSeeds = maxSeed + 1;
  const distance = (seed - first + nSeeds) % nSeeds;
  const start = first + distance - (distance % N_SEEDS);
  return Array.from({ length: N_SEEDS }, (_, index) => (start + index) % nSeeds);
}

// Nine networks that differ in their seed alone, side by side; they are trained once the film of the network is there
export class Seeds {
  constructor(page) {
    this.page = page;
    this.key = null; // of what the networks have in common
    this.table = null; // of these networks
    this.tiles = [];
    this.grid = element("div");
    this.root = element(
      "details", { class: "panel seeds", "aria-label": "Seeds", ontoggle: () => this.request() },
      element("summary", {}, "Nine seeds"),
      element("p", {}, "Only the seed differs. Numbers are held-out scores. Select a network to take its seed."),
      this.grid,
    );
  }

  seed() {
    return this.page.value("network_random_state") ?? this.page.value("random_state");
  }

  // Request the networks that are missing, if the panel is open and the film is recorded
  request() {
    const { page } = this;
    this.update();
    if (!this.root.open || page.film.nEpochs === 0 || page.shownId !== page.trainId) return;
    const seeds = this.tiles.filter((tile) => tile.isOutdated).map((tile) => tile.seed);
    if (seeds.length > 0) page.request("seeds", { network: page.shownId, seeds });
  }

  // Show the seeds of the settings on the page, and which networks are outdated
  update() {
    const { page } = this;
    if (!this.root.open || page.descriptions === undefined) return;
    const { bounds } = page.descriptions.find((control) => control.name === "network_random_state");
    const seeds = seedBlock(page.value("random_state"), this.seed(), bounds[1]);
    const key = JSON.stringify([{ ...page.settings, network_random_state: undefined }, seeds]);
    if (this.tiles.length === 0) this.build();
    if (key !== this.key || page.table !== this.table) {
      this.tiles.forEach((tile, index) => Object.assign(tile, { seed: seeds[index], isOutdated: true }));
    }
    [this.key, this.table] = [key, page.table];
    this.refresh();
  }

  build() {
    this.tiles = Array.from({ length: N_SEEDS }, () => {
      const tile = { seed: null, view: null, problem: "", isOutdated: true };
      tile.canvas = element("canvas");
      tile.caption = element("span");
      tile.choice = button("", (event) => this.take(tile.seed, event));
      tile.choice.append(tile.canvas, tile.caption);
      return tile;
    });
    this.grid.replaceChildren(...this.tiles.map((tile) => tile.choice));
  }

  take(seed, event) {
    const isDefault = seed === this.page.value("random_state");
    this.page.change({ network_random_state: isDefault ? undefined : seed }, event);
  }

  // A network has arrived
  receive(header, arrays) {
    const tile = this.tiles.find(({ seed }) => seed === header.seed);
    if (tile === undefined || header.network !== this.page.shownId) return;
    const hasDiverged = header.problem !== undefined;
    tile.view = hasDiverged ? null : { header: { ...this.page.view.header, ...header }, arrays };
    tile.problem = header.problem ?? "";
    tile.isOutdated = false;
    this.refresh();
    this.drawTile(tile, this.page.theme.palette());
  }

  refresh() {
    for (const { seed, view, problem, isOutdated, caption, choice } of this.tiles) {
      const score = isOutdated ? "…" : view === null ? "diverged" : mainScore(view.header).text;
      caption.replaceChildren(`seed ${seed}`, element("b", {}, score));
      choice.title = problem || `Train with network_random_state ${seed}; the number is the held-out score`;
      choice.setAttribute("aria-pressed", seed === this.seed());
      choice.classList.toggle("outdated", isOutdated);
    }
  }

  draw(palette = this.page.theme.palette()) {
    if (!this.root.open || !this.page.isVisible()) return;
    for (const tile of this.tiles) this.drawTile(tile, palette);
  }

  drawTile({ canvas, view }, palette) {
    const { context, width, height } = prepareCanvas(canvas);
    if (view === null) return;
    const rectangle = { x: 0, y: 0, width, height };
    const options = { showsHeldOut: false, showsMembers: true, unit: null, zoom: 0.6 };
    drawPlaneContent(context, rectangle, view, palette, options);
  }
}
