import { Controls } from "./controls.js";
import { Curves } from "./curves.js";
import { element, button, download } from "./dom.js";
import { Downloads } from "./downloads.js";
import { DrawingTools } from "./drawing.js";
import { Film } from "./film.js";
import { formatDuration } from "./formats.js";
import { afterFrame, measureMovement } from "./latency.js";
import { unpackMessage } from "./message.js";
import { NetworkPicture } from "./network.js";
import { Plane } from "./plane.js";
import { Scores } from "./scores.js";
import { Seeds } from "./seeds.js";
import { Theme } from "./theme.js";
import { Upload } from "./upload.js";

let lastId = 0; // of the requests of all views of a widget

// The page: the settings, the requests and answers, and the network that is shown
export class Explorer {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    root.explorer = this; // for the browser's console and the tests
    this.prefix = `moonnet-${Math.random().toString(36).slice(2)}`; // of element ids, unique in a notebook
    this.settings = { ...model.get("settings") };
    this.defaults = {};
    this.learningRates = {}; // Keras's default of each optimizer
    this.table = null; // name and columns of the user's table
    this.pendingIds = new Set(); // of requests whose answers only this view shows
    this.trainRequests = new Map(); // id to the time of the change and the key of the samples
    this.trainId = 0; // id of the latest training request
    this.shownId = 0; // id of the training on the page
    this.latency = null; // milliseconds from the last change to its picture
    this.view = null; // header and arrays of the picture on the page
    this.viewDatasetKey = null;
    this.history = {};
    this.isHeldOutOutdated = false; // whether the history's held-out values are those of an earlier training
    this.theme = new Theme(this);
    this.controls = new Controls(this);
    this.upload = new Upload(this);
    this.plane = new Plane(this);
    this.drawing = new DrawingTools(this);
    this.film = new Film(this);
    this.scores = new Scores(this);
    this.curves = new Curves(this);
    this.downloads = new Downloads(this);
    this.network = new NetworkPicture(this);
    this.seeds = new Seeds(this);
    this.build();
    this.listen();
    this.request("hello");
  }

  value(name) {
    return this.settings[name] ?? this.defaults[name];
  }

  // The server's description of a setting
  describe(name) {
    return this.descriptions.find((control) => control.name === name);
  }

  request(kind, content = {}) {
    // Ids increase over all views of a widget, in all windows
    lastId = Math.max(lastId + 1, 1000 * Date.now());
    if (kind !== "train") this.pendingIds.add(lastId);
    this.model.send({ kind, id: lastId, ...content });
    return lastId;
  }

  // -- building

  build() {
    this.status = element("p", { class: "status", role: "status" }, "Connecting …");
    const reset = button("Reset", (event) => this.reset(event), { title: "Reset all settings to their defaults" });
    const panel = (name, label, ...children) => (
      element("section", { class: `panel ${name}`, "aria-label": label }, ...children)
    );
    const { controls, upload, plane, drawing, film, scores, curves, downloads, network } = this;
    this.root.replaceChildren(
      element(
        "div", { class: "layout" },
        element("header", {}, element("h1", {}, "moonnet ", element("span", {}, "explorer")), this.status, reset),
        panel("settings", "Settings", controls.root, upload.input),
        panel("picture", "Plane", plane.canvas, plane.keyboardHelp, plane.key, drawing.root, film.root),
        panel(
          "results", "Results",
          scores.label, scores.accuracy, scores.details, curves.legend, curves.loss, curves.accuracy, curves.values,
          downloads.root,
        ),
        panel("units", "Network", network.title, network.canvas),
        this.seeds.root,
      ),
      downloads.dialog,
    );
  }

  listen() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    const on = (target, name, handler) => target.addEventListener(name, handler, { signal });
    this.drawing.listen(on);
    this.network.listen(on);
    this.curves.listen(on);
    this.theme.listen(on);
    // Keep keys without Ctrl, Alt or Meta from JupyterLab while the page has the focus
    window.addEventListener("keydown", ({ target, ctrlKey, altKey, metaKey }) => {
      if (this.root.contains(target)) {
        target.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || altKey || metaKey));
      }
    }, { signal, capture: true });
    this.sizeObserver = new ResizeObserver(() => this.draw());
    this.sizeObserver.observe(this.root);
    this.modelHandlers = {
      "msg:custom": (content, buffers) => this.receive(unpackMessage(buffers[0])),
      "change:settings": () => this.loadSettings(),
      connection: ({ open }) => this.connectionChanged(open),
    };
    for (const [name, handler] of Object.entries(this.modelHandlers)) this.model.on(name, handler);
  }

  close() {
    this.listeners.abort();
    this.sizeObserver.disconnect();
    this.theme.close();
    this.film.stop();
    for (const [name, handler] of Object.entries(this.modelHandlers)) this.model.off(name, handler);
  }

  // -- answers

  receive({ header, arrays }) {
    const handlers = {
      controls: () => this.handleControls(header),
      table: () => this.handleTable(header),
      busy: () => this.setStatus(`${header.what} …`, "busy"),
      problem: () => this.handleProblem(header),
      picture: () => this.handlePicture(header, arrays),
      film: () => this.handleFilm(header),
      frame: () => this.handleFrame(header, arrays),
      seed: () => this.seeds.receive(header, arrays),
      script: () => this.downloads.showScript(header.text),
      file: () => download(arrays.content, header.name),
    };
    if (this.isForThisView(header)) handlers[header.kind]?.();
  }

  // Python's answers reach every view of a widget, but the views share only the training
  isForThisView({ kind, id }) {
    const isOwn = this.pendingIds.delete(id);
    if (kind === "controls") return isOwn || this.descriptions === undefined;
    if (kind === "frame" && !isOwn) this.film.frameForOtherViewArrived(id);
    return isOwn || !["frame", "script", "file"].includes(kind);
  }

  setStatus(text, kind = "") {
    this.status.textContent = text;
    this.status.dataset.kind = kind;
  }

  connectionChanged(open) {
    if (open) this.request("hello");
    else {
      const hint = "If the server has stopped, run moonnet explore again.";
      this.setStatus(`Not connected. Reconnecting … (${hint})`, "problem");
      this.setStale(true);
    }
  }

  handleProblem(header) {
    this.setStatus(header.message, "problem");
    if (header.id === this.trainId) this.setStale(true);
  }

  // A stale picture is not that of the settings: it is faded, and there are no downloads
  setStale(isStale) {
    this.root.classList.toggle("stale", isStale);
    this.downloads.setDisabled(isStale);
    if (isStale) this.film.stop();
  }

  handleControls(header) {
    this.table = header.table;
    this.upload.maxBytes = header.max_bytes;
    this.learningRates = header.learning_rates;
    this.descriptions = header.controls;
    this.defaults = Object.fromEntries(header.controls.map((control) => [control.name, control.default]));
    if (!this.upload.restore()) this.train();
    this.controls.build();
  }

  handleTable(header) {
    this.table = header.table;
    if (this.upload.isRestoring) {
      this.upload.isRestoring = false;
      this.train();
    } else this.change({ data: "own", target: undefined, features: undefined });
  }

  handlePicture(header, arrays) {
    if (header.id < this.trainId && header.id < this.shownId) return;
    this.shownId = header.id;
    this.view = { header, arrays };
    this.setStale(false);
    this.updateHistory(header.history);
    const request = this.trainRequests.get(header.id);
    this.viewDatasetKey = request?.datasetKey ?? this.datasetKey();
    this.film.set(0, header.history.loss.length);
    this.drawing.refresh();
    this.plane.draw();
    this.scores.refresh();
    if (!header.final) this.setStatus(`Training: epoch ${header.history.loss.length} …`, "busy");
    afterFrame(() => {
      this.latency = request === undefined ? null : measureMovement(header.id, request.changedAt);
      if (header.final && header.id >= this.trainId) this.describeTraining();
      this.curves.draw(); // after the plane is on the screen, because curves and network are slower to draw
      this.network.draw();
    });
    for (const id of this.trainRequests.keys()) {
      if (id <= header.id) this.trainRequests.delete(id);
    }
  }

  // Held-out values arrive with the film. While a slider moves, the earlier ones stay, and their curves are faded.
  updateHistory(history) {
    const earlier = Object.entries(this.history).filter(([name]) => name.startsWith("test_"));
    const isSameTask = ("accuracy" in history) === ("accuracy" in this.history);
    this.isHeldOutOutdated = history.test_loss === undefined && earlier.length > 0 && isSameTask;
    this.history = this.isHeldOutOutdated ? { ...history, ...Object.fromEntries(earlier) } : history;
  }

  handleFilm(header) {
    if (header.id !== this.shownId) return;
    this.updateHistory(header.history);
    this.film.set(header.epochs, header.final_epoch);
    this.scores.refresh();
    this.curves.draw();
    if (header.id >= this.trainId) this.describeTraining();
    this.seeds.request();
  }

  handleFrame(header, arrays) {
    if (header.id < this.shownId || !this.film.acceptFrame(header.epoch)) return;
    this.view = { header, arrays };
    this.draw();
  }

  describeTraining() {
    const nEpochs = this.history.loss.length;
    const nMembers = this.view.header.n_members;
    const trained = nMembers === 1 ? "Trained" : `Trained ${nMembers} networks`;
    const verb = nEpochs < this.value("epochs") ? "Stopped early after" : `${trained} for`;
    const parts = [`${verb} ${nEpochs} ${nEpochs === 1 ? "epoch" : "epochs"}`];
    if (this.film.finalEpoch < this.film.nEpochs) parts.push(`best epoch ${this.film.finalEpoch}`);
    if (this.latency !== null) parts.push(`updated in ${formatDuration(this.latency)}`);
    if (this.view.header.note) parts.push(this.view.header.note);
    this.setStatus(parts.join("; "));
  }

  // -- settings

  change(values, event = null) {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined || JSON.stringify(value) === JSON.stringify(this.defaults[name])) {
        delete this.settings[name];
      } else this.settings[name] = value;
    }
    this.deleteOutdatedEdits(values);
    this.saveSettings();
    this.train(event);
  }

  // Erased indices are only valid for the same samples, drawn points only on the same plane
  deleteOutdatedEdits(values) {
    const isNewSplit = "random_state" in values && this.value("data") === "own"; // standardised anew
    const isNewPlane = isNewSplit || ["data", "target", "features"].some((name) => name in values);
    const isNewSamples = isNewPlane || "n_samples" in values || "random_state" in values;
    if (isNewPlane) delete this.settings.drawn;
    const mayBeNegative = "data" in values || "target" in values; // which some losses do not allow
    if (mayBeNegative && this.describe("loss").refuse_negative.includes(this.settings.loss)) delete this.settings.loss;
    if (isNewSamples) {
      delete this.settings.erased;
      this.drawing.clearUndo();
    }
  }

  saveSettings() {
    this.model.set("settings", { ...this.settings });
    this.model.save_changes();
  }

  // Use settings that were changed elsewhere: in Python, or in the address
  loadSettings() {
    const settings = this.model.get("settings");
    if (JSON.stringify(settings) === JSON.stringify(this.settings)) return;
    this.settings = { ...settings };
    this.drawing.clearUndo();
    this.train();
  }

  // Show the settings and train a network with them
  train(event = null) {
    this.controls.refresh();
    this.drawing.refresh();
    this.film.stop();
    this.seeds.update();
    this.trainId = this.request("train", { settings: this.settings });
    const changedAt = event?.timeStamp ?? performance.now();
    this.trainRequests.set(this.trainId, { changedAt, datasetKey: this.datasetKey() });
  }

  // The settings that determine the samples, except for their noise, as text
  datasetKey() {
    return JSON.stringify(["data", "target", "features", "n_samples", "random_state"].map((name) => this.value(name)));
  }

  reset(event) {
    this.settings = {};
    this.drawing.clearUndo();
    this.drawing.tool = "off";
    this.saveSettings();
    this.train(event);
  }

  // -- drawing

  // A page in a folded or distant notebook output is not drawn until it is back on the screen
  isVisible() {
    return this.view !== null && this.root.clientWidth > 0;
  }

  draw() {
    const palette = this.theme.palette();
    if (!this.isVisible()) return;
    this.drawing.refresh();
    this.plane.draw(palette);
    this.network.draw(palette);
    this.scores.refresh();
    this.curves.draw(palette);
    this.film.refresh();
    this.seeds.draw(palette);
  }
}
