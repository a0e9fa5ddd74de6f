import { element } from "./dom.js";
import { mainScore, otherScores } from "./score_texts.js";

// Scores and losses of the network on the page, as text
export class Scores {
  constructor(page) {
    this.page = page;
    this.label = element("p", { class: "accuracy-label" }, "Held-out accuracy");
    this.accuracy = element("output", { class: "accuracy" }, "–");
    this.details = element("p", { class: "figures" });
  }

  refresh() {
    const { view: { header }, history, film, isHeldOutOutdated } = this.page;
    const { name, text } = mainScore(header);
    this.label.textContent = name.replace("held", "Held");
    this.accuracy.textContent = text;
    const index = (film.epoch ?? film.finalEpoch) - 1;
    const formatLoss = (name) => history[name]?.[index]?.toFixed(3);
    const losses = [["training", formatLoss("loss")], ["held-out", !isHeldOutOutdated && formatLoss("test_loss")]]
      .filter(([, loss]) => loss);
    this.details.replaceChildren(
      ...otherScores(header).map((line) => element("span", {}, line)),
      element("span", {}, losses.map(([name, loss]) => `${name} loss ${loss}`).join(", ")),
    );
  }
}
