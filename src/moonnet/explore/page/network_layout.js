// The places of the units in the picture of the network

// The position and size of each unit's tile, by layer; layers go from left to right, the inputs in one column and each
// other layer in as many as it needs. A margin on the left remains free.
export function networkLayout(layerSizes, width, height, margin) {
  const gap = 3;
  const between = Math.max(20, Math.min(70, width / (2.2 * layerSizes.length)));
  let best = { size: -Infinity };
  for (const rows of [6, 7, 8, 10, 12, 16, 20, 25, 32].filter((count) => count >= layerSizes[0])) {
    const columns = layerSizes.map((units) => Math.ceil(units / rows));
    const nColumns = columns.reduce((sum, count) => sum + count, 0);
    const available = width - 2 - margin - (layerSizes.length - 1) * between;
    const size = Math.max(1, Math.min(42, available / nColumns - gap, height / rows - gap));
    if (size > best.size) best = { size, columns, nColumns };
  }
  const { size, columns, nColumns } = best;
  const pitch = size + gap;
  const used = nColumns * pitch + (layerSizes.length - 1) * between;
  let x = margin + (width - margin - used) / 2;
  return layerSizes.map((units, layer) => {
    const inColumn = Math.ceil(units / columns[layer]);
    const top = (height - inColumn * pitch) / 2;
    const left = x;
    x += columns[layer] * pitch + between;
    return Array.from({ length: units }, (_, unit) => ({
      x: left + Math.floor(unit / inColumn) * pitch, y: top + (unit % inColumn) * pitch, size,
    }));
  });
}
