// The settings that differ from their defaults: what a change makes of them, and which samples they are about

export function changeSettings(settings, values, defaults) {
  const changed = { ...settings };
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || JSON.stringify(value) === JSON.stringify(defaults[name])) delete changed[name];
    else changed[name] = value;
  }
  for (const name of outdatedEdits(values, changed.data ?? defaults.data)) delete changed[name];
  return changed;
}

// Erased indices are only valid for the same samples, drawn points only on the same plane
export function outdatedEdits(values, data) {
  const isNewSplit = "random_state" in values && data === "own"; // standardised anew
  const isNewPlane = isNewSplit || ["data", "target", "features"].some((name) => name in values);
  const isNewSamples = isNewPlane || "n_samples" in values || "random_state" in values;
  return [...(isNewPlane ? ["drawn"] : []), ...(isNewSamples ? ["erased"] : [])];
}

// The settings that determine the samples, except for their noise, as text
export function datasetKey(settings, defaults) {
  const names = ["data", "target", "features", "n_samples", "random_state"];
  return JSON.stringify(names.map((name) => settings[name] ?? defaults[name]));
}
