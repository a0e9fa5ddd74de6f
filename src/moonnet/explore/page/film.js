import { element, button } from "./dom.js";

const FILM_SECONDS = 5;
const FRAMES_PER_SECOND = 20;

// The film of the last training: shows the network after each epoch
export class Film {
  constructor(page) {
    this.page = page;
    this.nEpochs = 0; // 0 until the epochs are recorded
    this.finalEpoch = 0; // the epoch of the trained network: with early stopping, the best one
    this.epoch = null; // the epoch on the page; null for the trained network
    this.wantedEpoch = 0;
    this.isFrameRequested = false;
    this.frameId = 0;
    this.playing = null; // timer; null while paused
    this.playButton = button("Play", () => this.toggle(), { disabled: true });
    const back = button("‹", () => this.step(-1), { disabled: true, "aria-label": "Previous epoch" });
    const forward = button("›", () => this.step(1), { disabled: true, "aria-label": "Next epoch" });
    this.slider = element("input", {
      type: "range", min: 0, max: 0, value: 0, disabled: true, "aria-label": "Epoch",
      oninput: () => this.show(Number(this.slider.value)),
    });
    this.controls = [this.playButton, back, forward, this.slider];
    this.output = element("output");
    this.root = element(
      "div", { class: "film", role: "group", "aria-label": "Film of the training" }, ...this.controls, this.output,
    );
  }

  set(nEpochs, finalEpoch) {
    this.nEpochs = nEpochs;
    this.finalEpoch = finalEpoch;
    this.epoch = null;
    this.wantedEpoch = finalEpoch;
    this.isFrameRequested = false;
    if (nEpochs > 0) {
      this.slider.max = nEpochs;
      this.slider.value = finalEpoch;
    }
    for (const control of this.controls) control.disabled = nEpochs === 0;
    this.refresh();
  }

  refresh() {
    const epoch = this.epoch ?? this.finalEpoch;
    if (this.nEpochs > 0) this.output.textContent = `epoch ${epoch} of ${this.nEpochs}`;
    this.slider.setAttribute("aria-valuetext", this.output.textContent);
    this.playButton.textContent = this.playing === null ? "Play" : "Pause";
  }

  show(epoch) {
    this.wantedEpoch = epoch;
    this.slider.value = epoch;
    if (this.isFrameRequested || this.nEpochs === 0) return;
    this.isFrameRequested = true;
    this.frameId = this.page.request("frame", { epoch });
  }

  step(epochs) {
    this.stop();
    this.show(Math.min(this.nEpochs, Math.max(0, this.wantedEpoch + epochs)));
  }

  toggle() {
    if (this.playing !== null) {
      this.stop();
      return;
    }
    if (this.wantedEpoch >= this.nEpochs) this.show(0);
    const stride = Math.max(1, Math.round(this.nEpochs / (FILM_SECONDS * FRAMES_PER_SECOND)));
    this.playing = setInterval(() => {
      if (this.isFrameRequested) return;
      if (this.wantedEpoch >= this.nEpochs) this.stop();
      else this.show(Math.min(this.nEpochs, this.wantedEpoch + stride));
    }, 1000 / FRAMES_PER_SECOND);
    this.refresh();
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    this.refresh();
  }

  // Accept a frame that has arrived, and request the next one wanted; return whether the frame is to be shown
  acceptFrame(epoch) {
    this.isFrameRequested = false;
    if (this.nEpochs === 0) return false;
    this.epoch = epoch === this.finalEpoch ? null : epoch;
    if (this.wantedEpoch !== epoch) this.show(this.wantedEpoch);
    return true;
  }

  // A frame for another view: if Python has dropped this view's older request, repeat it
  frameForOtherViewArrived(id) {
    if (!this.isFrameRequested || id < this.frameId) return;
    this.isFrameRequested = false;
    this.show(this.wantedEpoch);
  }
}
