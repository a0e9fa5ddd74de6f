let newestGeneration = 0; // of this window

// The generation of a training: a number that increases over all views of a widget, in all windows
export function nextGeneration(milliseconds = Date.now()) {
  newestGeneration = Math.max(newestGeneration + 1, 1000 * milliseconds);
  return newestGeneration;
}
