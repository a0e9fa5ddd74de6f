// The explorer's page, for browsers and notebooks: the module that _bundle.py starts from. A notebook calls render with
// anywidget's model; in a browser, a SocketModel replaces that model. Python trains the network and computes what is
// drawn: the page sends settings and draws the pictures that come back.

import { element } from "./dom.js";
import { Explorer } from "./explorer.js";
import { SocketModel } from "./socket.js";

function render({ model, el }) {
  const root = element("div", { class: "moonnet-explorer" });
  el.append(root);
  const explorer = new Explorer(model, root);
  return () => explorer.close();
}

export default { render };

const main = document.querySelector("main[data-moonnet-socket]");
if (main !== null) {
  main.classList.add("moonnet-explorer");
  new Explorer(new SocketModel(main.dataset.moonnetSocket), main);
}
