import { element } from "./dom.js";

// The upload of a CSV file, and its repetition when a restarted server no longer has the table
export class Upload {
  constructor(page) {
    this.page = page;
    this.maxBytes = 0;
    this.file = null; // the last one: name, and content in Base64
    this.isRestoring = false;
    this.input = element("input", {
      type: "file", accept: ".csv,.tsv,.txt,.zip,.gz,.bz2,.xz,text/csv", hidden: true, "aria-label": "CSV file",
      onchange: () => this.send(),
    });
  }

  chooseFile() {
    this.input.click();
  }

  async send() {
    const [file] = this.input.files;
    this.input.value = "";
    if (!file) return;
    if (file.size > this.maxBytes) {
      this.page.setStatus(`${file.name} must be at most ${this.maxBytes / 2 ** 20} MB.`, "problem");
      return;
    }
    this.page.setStatus(`Reading ${file.name} …`, "busy");
    const dataUrl = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(file);
    });
    this.file = { name: file.name, content: dataUrl.slice(dataUrl.indexOf(",") + 1) };
    this.isRestoring = false;
    this.page.request("upload", this.file);
  }

  // Send the table again if the settings need it and the server does not have it; return whether it was sent
  restore() {
    if (this.page.table !== null || this.file === null || this.page.value("data") !== "own") return false;
    this.isRestoring = true;
    this.page.request("upload", this.file);
    return true;
  }
}
