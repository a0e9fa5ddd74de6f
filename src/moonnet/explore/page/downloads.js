import { element, button, download } from "./dom.js";

// The buttons that copy a script and download files, and the dialog that shows the script
export class Downloads {
  constructor(page) {
    this.page = page;
    const fileButton = (text, format, title) => button(text, () => page.request("file", { format }), { title });
    this.root = element(
      "div", { class: "downloads", role: "group", "aria-label": "Downloads" },
      button("Copy Python", () => page.request("script"), {
        class: "main", title: "Copy a Python script that trains the same network",
      }),
      button("PNG", () => this.downloadPicture(), { title: "Download the plane as a picture" }),
      fileButton("skops", "skops", "Download the scikit-learn estimator, for skops.io.load"),
      fileButton("Keras", "keras", "Download the Keras model, for keras.models.load_model"),
      fileButton("CSV", "csv", "Download the samples as a table"),
    );
    this.code = element("pre", { tabindex: 0 });
    this.copyStatus = element("p", { role: "status" });
    this.dialog = element(
      "dialog", { class: "script", "aria-label": "Python script" }, this.code, this.copyStatus,
      element("form", { method: "dialog" }, element("button", { autofocus: true }, "Close")),
    );
  }

  setDisabled(isDisabled) {
    for (const node of this.root.querySelectorAll("button")) node.disabled = isDisabled;
  }

  async downloadPicture() {
    const { view, table } = this.page;
    if (view === null) return;
    const data = this.page.value("data");
    const stem = data === "own" ? table.name.replace(/(\.csv)?\.[^.]*$/, "") : data;
    download(await this.page.plane.toBlob(), `${stem}.png`);
  }

  async showScript(text) {
    this.code.textContent = text;
    this.copyStatus.textContent = "";
    if (!this.dialog.open) this.dialog.showModal();
    try {
      await navigator.clipboard.writeText(text);
      this.copyStatus.textContent = "Copied to the clipboard.";
    } catch {
      this.copyStatus.textContent = "The browser denied access to the clipboard. Select the text and copy it.";
    }
  }
}
