const FILM_SECONDS = 5;
export const FRAMES_PER_SECOND = 20;

// The film of the last training: the network after each epoch, of which Python sends one at a time as a frame
export class Film {
  constructor(requestFrame) {
    this.requestFrame = requestFrame;
    this.set(0, 0);
  }

  // The number of epochs, 0 until they are recorded, and that of the trained network: with early stopping, the best one
  set(nEpochs, finalEpoch) {
    this.nEpochs = nEpochs;
    this.finalEpoch = finalEpoch;
    this.epoch = null; // the epoch on the page; null for the trained network
    this.wantedEpoch = finalEpoch;
    this.requestedEpoch = null; // null if no frame is on its way
  }

  get shownEpoch() {
    return this.epoch ?? this.finalEpoch;
  }

  show(epoch) {
    this.wantedEpoch = epoch;
    if (this.requestedEpoch === null && this.nEpochs > 0) this.request();
  }

  request() {
    this.requestedEpoch = this.wantedEpoch;
    this.requestFrame(this.wantedEpoch);
  }

  step(epochs) {
    this.show(Math.min(this.nEpochs, Math.max(0, this.wantedEpoch + epochs)));
  }

  // Begin to play: at the end, from the initial weights
  begin() {
    if (this.wantedEpoch >= this.nEpochs) this.show(0);
  }

  // Request the next frame of a film that plays, once the last one has arrived; return false at the end
  advance() {
    if (this.requestedEpoch !== null) return true;
    if (this.wantedEpoch >= this.nEpochs) return false;
    this.step(Math.max(1, Math.round(this.nEpochs / (FILM_SECONDS * FRAMES_PER_SECOND))));
    return true;
  }

  // Accept the frame that was requested, and request the one wanted by now; return whether the frame is to be shown
  accept(epoch) {
    if (epoch !== this.requestedEpoch) return false;
    this.requestedEpoch = null;
    this.epoch = epoch === this.finalEpoch ? null : epoch;
    if (this.wantedEpoch !== epoch) this.request();
    return true;
  }

  // Python answers only the latest request of all views, so it may have dropped this one's for the answered one
  otherViewAnswered() {
    if (this.requestedEpoch !== null) this.request();
  }
}
