import { formatSettings, parseSettings } from "./address.js";

const TOO_MANY_PAGES = 4000; // close code of the socket, from _server.py

// The connection in a browser: replaces anywidget's model by a socket, and its settings by those in the address
export class SocketModel {
  constructor(path) {
    const address = new URL(path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    this.address = address;
    this.handlers = {};
    this.settings = parseSettings(location.hash);
    window.addEventListener("hashchange", () => {
      this.settings = parseSettings(location.hash);
      this.call("change:settings");
    });
    this.connect(0);
  }

  connect(wait) {
    this.socket = new WebSocket(this.address);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }) => this.call("msg:custom", {}, [new DataView(data)]));
    this.socket.addEventListener("open", () => this.call("connection", { open: true }));
    this.socket.addEventListener("close", ({ code }) => {
      if (code === TOO_MANY_PAGES) return; // Python has sent a message
      this.call("connection", { open: false });
      setTimeout(() => this.connect(Math.min(2000, 2 * wait + 250)), wait);
    });
  }

  get() {
    return this.settings;
  }

  set(name, settings) {
    this.settings = settings;
  }

  // Delayed, because browsers limit how often a page may change its address
  save_changes() {
    clearTimeout(this.saving);
    this.saving = setTimeout(() => history.replaceState(null, "", `#${formatSettings(this.settings)}`), 250);
  }

  send(content) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(content));
  }

  on(name, handler) {
    (this.handlers[name] ??= new Set()).add(handler);
  }

  off(name, handler) {
    this.handlers[name]?.delete(handler);
  }

  call(name, ...content) {
    for (const handler of this.handlers[name] ?? []) handler(...content);
  }
}
