// What the settings predict, classes or numbers, and from how many features

// The description of the table's column to predict; undefined without a table or for an unknown column
export function chosenTarget(page) {
  const targets = page.table?.targets ?? [];
  const name = page.value("target") ?? targets.at(-1)?.name;
  return targets.find((target) => target.name === name);
}

export function predictsNumbers(page) {
  const data = page.value("data");
  if (data === "own") return chosenTarget(page)?.is_regression ?? false;
  const { curves, surfaces } = page.descriptions.find((control) => control.name === "data");
  return [...curves, ...surfaces].includes(data);
}

export function hasOneFeature(page) {
  if (page.value("data") === "own") {
    return predictsNumbers(page) && (page.value("features") ?? chosenTarget(page).features).length === 1;
  }
  return page.descriptions.find((control) => control.name === "data").curves.includes(page.value("data"));
}
