import { element, button } from "./dom.js";
import { formatNumber } from "./formats.js";
import { nearestIndex } from "./scales.js";
import { chosenTarget, hasOneFeature, predictsNumbers } from "./task.js";

const GROUPS = {
  Data: ["data", "target", "features", "n_samples", "noise", "random_state"],
  Network: ["inputs", "hidden_layer_sizes", "activation", "dropout", "l2", "n_estimators"],
  Training: [
    "loss", "quantile", "optimizer", "learning_rate", "batch_size", "epochs", "early_stopping", "network_random_state",
  ],
};

function buildOptions(values) {
  return values.map((value) => element("option", { value }, value));
}

// The settings panel: a control for each setting, from the descriptions that Python sends
export class Controls {
  constructor(page) {
    this.page = page;
    this.refreshers = {};
    this.root = element("form", { onsubmit: (event) => event.preventDefault() });
  }

  build() {
    const byName = Object.fromEntries(this.page.descriptions.map((control) => [control.name, control]));
    this.root.replaceChildren(...Object.entries(GROUPS).map(([title, names]) => element(
      "fieldset", {}, element("legend", {}, title),
      ...names.map((name) => this.buildRow(name, byName[name])),
    )));
    this.refresh();
  }

  buildRow(name, control) {
    const id = `${this.page.prefix}-${name}`;
    const { input, refresh, extra } = this.buildControl(name, control);
    input.id = id;
    const output = element("output", { for: id });
    const doc = element("div", { id: `${id}-doc`, class: "doc", popover: true }, control.doc);
    const help = element(
      "button", { type: "button", class: "help", popovertarget: doc.id, "aria-label": `What is ${name}?` }, "?",
    );
    const label = element(input.tagName === "DIV" ? "span" : "label", { title: control.doc, for: id }, name);
    const row = element("div", { class: `control row-${name}` }, element("div", { class: "name" }, label,
      ...(control.doc ? [help, doc] : []), output), input, ...(extra ? [extra] : []));
    input.setAttribute("data-setting", name);
    if (input.tagName === "DIV") input.setAttribute("aria-label", name);
    this.refreshers[name] = () => refresh(output, row);
    return row;
  }

  // The control's element, a function that shows the setting's value, and sometimes a button beside it
  buildControl(name, control) {
    const builders = {
      data: () => this.dataControl(control), target: () => this.targetControl(), features: () => this.featuresControl(),
      choice: () => this.choiceControl(name, control), number: () => this.numberControl(name, control),
      flag: () => this.flagControl(name), seed: () => this.seedControl(name, control),
      layers: () => this.layersControl(name, control), subset: () => this.subsetControl(name, control),
      loss: () => this.lossControl(control), quantile: () => this.quantileControl(control),
    };
    return (builders[name] ?? builders[control.kind])();
  }

  choiceControl(name, { values }) {
    const input = element("select", {
      onchange: (event) => this.page.change({ [name]: input.value }, event),
    }, ...buildOptions(values));
    return { input, refresh: () => { input.value = this.page.value(name); } };
  }

  // Losses that refuse negative numbers cannot be chosen if there are some
  lossControl({ values, refuse_negative: refuseNegative }) {
    const { input, refresh } = this.choiceControl("loss", { values });
    const disable = () => {
      const isNegative = this.page.view?.header.target?.is_negative ?? false;
      for (const option of input.options) option.disabled = isNegative && refuseNegative.includes(option.value);
    };
    for (const kind of ["pointerdown", "focus"]) input.addEventListener(kind, disable);
    const refreshRow = (output, row) => {
      row.hidden = !predictsNumbers(this.page);
      refresh();
    };
    return { input, refresh: refreshRow };
  }

  // A quantile, or several with a band between the outer ones; those of the address may be others
  quantileControl({ values, bands }) {
    const input = element("select", {
      onchange: (event) => this.page.change({ quantile: JSON.parse(input.value) }, event),
    });
    const buildQuantiles = (quantiles) => (
      quantiles.map((quantile) => element("option", { value: JSON.stringify(quantile) }, [quantile].flat().join(", ")))
    );
    const refresh = (output, row) => {
      const { with_quantiles: withQuantiles } = this.page.describe("loss");
      row.hidden = !predictsNumbers(this.page) || !withQuantiles.includes(this.page.value("loss"));
      const chosen = this.page.value("quantile");
      const isKnown = [...values, ...bands].some((known) => JSON.stringify(known) === JSON.stringify(chosen));
      const group = (label, quantiles) => element("optgroup", { label }, ...buildQuantiles(quantiles));
      input.replaceChildren(group("one", values), group("several, with a band", bands), ...buildQuantiles(isKnown ? [] : [chosen]));
      input.value = JSON.stringify(chosen);
    };
    return { input, refresh };
  }

  // The value "own" is the user's table, which has to be opened first
  dataControl({ groups }) {
    const input = element("select", {
      onchange: (event) => {
        if (input.value === "own" && this.page.table === null) {
          input.value = this.page.value("data");
          this.page.upload.chooseFile();
        } else this.page.change({ data: input.value }, event);
      },
    }, ...Object.entries(groups).map(([label, values]) => element("optgroup", { label }, ...buildOptions(values))));
    const open = button("Open CSV", () => this.page.upload.chooseFile(), { class: "open" });
    const refresh = () => {
      input.querySelector("[value=own]").textContent = this.page.table?.name ?? "CSV file …";
      input.value = this.page.value("data");
    };
    return { input, refresh, extra: open };
  }

  numberControl(name, { values }) {
    const input = element("input", {
      type: "range", min: 0, max: values.length - 1, step: 1,
      oninput: (event) => this.page.change({ [name]: values[input.value] }, event),
    });
    const isForToyProblems = name === "noise" || name === "n_samples";
    const refresh = (output, row) => {
      const value = this.page.value(name);
      const rate = formatNumber(this.page.learningRates[this.page.value("optimizer")] ?? null);
      const text = value === null ? `None (${rate})` : formatNumber(value); // only learning_rate can be None
      input.value = nearestIndex(values, value);
      input.setAttribute("aria-valuetext", text);
      output.textContent = text;
      row.hidden = isForToyProblems && this.page.value("data") === "own";
    };
    return { input, refresh };
  }

  flagControl(name) {
    const input = element("input", {
      type: "checkbox", onchange: (event) => this.page.change({ [name]: input.checked }, event),
    });
    return { input, refresh: () => { input.checked = this.page.value(name); } };
  }

  // A checkbox for each value that applies; the last one that is checked cannot be unchecked
  subsetControl(name, { symbols }) {
    const boxes = Object.keys(symbols).map((value) => element("input", {
      type: "checkbox", value,
      onchange: (event) => this.page.change({ [name]: chosen() }, event),
    }));
    const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
    const labels = boxes.map((box) => element("label", {}, box, symbols[box.value]));
    const input = element("div", { role: "group", class: "subset" }, ...labels);
    const refresh = () => {
      const applies = (box) => !(box.value.includes("x2") && hasOneFeature(this.page));
      for (const box of boxes) {
        box.checked = this.page.value(name).includes(box.value);
        box.parentElement.hidden = !applies(box);
      }
      const nChosen = boxes.filter((box) => box.checked && applies(box)).length;
      if (nChosen === 0) boxes[0].checked = true; // as Python does
      for (const box of boxes) box.disabled = box.checked && nChosen <= 1;
    };
    return { input, refresh };
  }

  // An empty field is the default, for the training that seed of the samples
  seedControl(name, { bounds: [lower, upper] }) {
    const isForSamples = name === "random_state";
    const read = () => (input.value === "" ? undefined : Math.round(Number(input.value)));
    const input = element("input", {
      type: "number", min: lower, max: upper, step: 1, class: "seed",
      onchange: (event) => this.page.change({ [name]: read() }, event),
    });
    const useNext = (event) => {
      const seed = this.page.value(name) ?? this.page.value("random_state");
      this.page.change({ [name]: (seed + 1) % (upper + 1) }, event);
    };
    const [text, title] = isForSamples
      ? ["Next seed", "Other samples, and other initial weights unless network_random_state is set"]
      : ["Next network", "Other initial weights for the same samples"];
    const refresh = () => {
      input.value = this.page.value(name) ?? "";
      input.placeholder = this.page.value("random_state");
    };
    return { input, refresh, extra: button(text, useNext, { class: "next", title }) };
  }

  layersControl(name, { max_layers: maxLayers, max_units: maxUnits }) {
    const input = element("div", { role: "group" });
    const addLayer = (event) => this.page.change({ [name]: [...this.page.value(name), 8] }, event);
    const add = button("Add layer", addLayer, { class: "add" });
    const refresh = () => {
      const layers = Array.isArray(this.page.value(name)) ? this.page.value(name) : []; // Python reports invalid values
      while (input.children.length > layers.length) input.lastChild.remove();
      while (input.children.length < layers.length) input.append(this.layerRow(name, input.children.length, maxUnits));
      layers.forEach((units, index) => {
        const [range, output] = input.children[index].children;
        range.value = units;
        range.setAttribute("aria-valuetext", `${units} units`);
        output.textContent = units;
      });
      add.disabled = layers.length >= maxLayers;
    };
    return { input, refresh, extra: add };
  }

  layerRow(name, index, maxUnits) {
    const replaceLayer = (units, event) => {
      const layers = [...this.page.value(name)];
      layers.splice(index, 1, ...units);
      this.page.change({ [name]: layers }, event);
    };
    const range = element("input", {
      type: "range", min: 1, max: maxUnits, "aria-label": `Units in layer ${index + 1}`,
      oninput: (event) => replaceLayer([Number(range.value)], event),
    });
    const remove = button("×", (event) => replaceLayer([], event), {
      class: "remove", "aria-label": `Remove layer ${index + 1}`,
    });
    return element("div", { class: "layer" }, range, element("output"), remove);
  }

  targetControl() {
    const input = element("select", {
      onchange: (event) => this.page.change({ target: input.value, features: undefined }, event),
    });
    const refresh = (output, row) => {
      row.hidden = this.page.value("data") !== "own" || this.page.table === null;
      if (row.hidden) return;
      const targets = this.page.table.targets.map(({ name: target }) => target);
      input.replaceChildren(...buildOptions(targets));
      input.value = this.page.value("target") ?? targets.at(-1);
    };
    return { input, refresh };
  }

  // Two features, or the principal components of all; one feature is enough to predict numbers
  featuresControl() {
    const changeFeatures = (event) => {
      if (first.value === "") this.page.change({ features: undefined }, event);
      else if (second.value === "" && !second.hidden) this.page.change({ features: [first.value] }, event);
      else {
        const others = [...first.options].map((option) => option.value).filter((name) => name && name !== first.value);
        const other = others.includes(second.value) ? second.value : others[0];
        this.page.change({ features: [first.value, other] }, event);
      }
    };
    const first = element("select", { "aria-label": "First feature", onchange: changeFeatures });
    const second = element("select", { "aria-label": "Second feature", onchange: changeFeatures });
    const input = element("div", { role: "group", class: "features" }, first, second);
    const refresh = (output, row) => {
      row.hidden = this.page.value("data") !== "own" || this.page.table === null;
      if (row.hidden) return;
      const { features: names, is_regression: isRegression } = chosenTarget(this.page) ?? { features: [] };
      const features = this.page.value("features");
      const chosen = Array.isArray(features) ? features : names.length <= 2 ? names : null;
      first.replaceChildren(...buildOptions(names));
      if (names.length > 2) first.prepend(element("option", { value: "" }, "principal components of all"));
      second.replaceChildren(...buildOptions(names));
      if (isRegression) second.prepend(element("option", { value: "" }, "no second feature"));
      first.value = chosen?.[0] ?? "";
      second.value = chosen?.[1] ?? "";
      second.hidden = chosen === null || names.length < 2;
    };
    return { input, refresh };
  }

  refresh() {
    for (const refresh of Object.values(this.refreshers)) refresh();
  }
}
