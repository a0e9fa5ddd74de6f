import { element, button } from "./dom.js";
import { FRAMES_PER_SECOND } from "./film.js";

// The buttons and the slider of the film
export class FilmControls {
  constructor(page) {
    this.page = page;
    this.playing = null; // timer; null while paused
    this.playButton = button("Play", () => this.toggle(), { disabled: true });
    this.backButton = button("‹", () => this.step(-1), { disabled: true, "aria-label": "Previous epoch" });
    this.forwardButton = button("›", () => this.step(1), { disabled: true, "aria-label": "Next epoch" });
    this.slider = element("input", {
      type: "range", min: 0, max: 0, value: 0, disabled: true, "aria-label": "Epoch",
      oninput: () => this.page.film.show(Number(this.slider.value)),
    });
    this.output = element("output", {}, "");
    this.root = element(
      "div", { class: "film", role: "group", "aria-label": "Film of the training" },
      this.playButton, this.backButton, this.forwardButton, this.slider, this.output,
    );
  }

  refresh() {
    const { nEpochs, wantedEpoch, shownEpoch } = this.page.film;
    for (const control of [this.playButton, this.backButton, this.forwardButton, this.slider]) {
      control.disabled = nEpochs === 0;
    }
    if (nEpochs > 0) {
      this.slider.max = nEpochs;
      this.slider.value = wantedEpoch;
      this.output.textContent = `epoch ${shownEpoch} of ${nEpochs}`;
    }
    this.slider.setAttribute("aria-valuetext", this.output.textContent);
    this.playButton.textContent = this.playing === null ? "Play" : "Pause";
  }

  step(epochs) {
    this.page.film.step(epochs);
    this.stop();
  }

  toggle() {
    if (this.playing !== null) {
      this.stop();
      return;
    }
    this.page.film.begin();
    this.playOn();
    this.refresh();
  }

  playOn() {
    this.playing = setTimeout(() => {
      if (!this.page.film.advance()) {
        this.stop();
        return;
      }
      this.playOn();
      this.refresh();
    }, 1000 / FRAMES_PER_SECOND);
  }

  stop() {
    clearTimeout(this.playing);
    this.playing = null;
    this.refresh();
  }
}
