// Colours as numbers: from CSS, of a probability and of an activation

// Red, green and blue (0 to 255) of a colour written as #rrggbb
export function rgbOfHex(color) {
  return [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
}

// A colour map of 256 pixels, in the format of ImageData: from and to are mixed with shares of to from least to most
export function colorMap(from, to, least, most) {
  const pixels = new Uint8ClampedArray(4 * 256);
  for (let index = 0; index < 256; index += 1) {
    const share = least + (most - least) * (index / 255);
    pixels.set([...from.map((value, channel) => value + share * (to[channel] - value)), 255], 4 * index);
  }
  return new Uint32Array(pixels.buffer);
}

// A map of 256 pixels of one colour, from transparent to a largest opacity
export function opacityMap(color, most) {
  const pixels = new Uint8ClampedArray(4 * 256);
  for (let index = 0; index < 256; index += 1) pixels.set([...color, most * index], 4 * index);
  return new Uint32Array(pixels.buffer);
}

// A shade from 0, which is transparent, to 1 and more
export function shadeColor(share, palette) {
  return palette.shading[Math.round(255 * Math.min(1, share))];
}

export function probabilityColor(arrays, header, index, palette) {
  const nClasses = header.classes.length;
  if (nClasses === 2) {
    const probability = arrays.probability[index];
    return palette.shades[probability > 0.5 ? 1 : 0][Math.round(255 * Math.abs(2 * probability - 1))];
  }
  let best = 0;
  for (let label = 1; label < nClasses; label += 1) {
    if (arrays.probability[index * nClasses + label] > arrays.probability[index * nClasses + best]) best = label;
  }
  const lead = (arrays.probability[index * nClasses + best] * nClasses - 1) / (nClasses - 1);
  return palette.shades[best][Math.round(255 * Math.min(1, Math.max(0, lead)))];
}

// The colour of a number between limits: from the negative colour over that of the plane to the positive one
export function numberColor(value, [lower, upper], palette) {
  const share = Math.min(1, Math.max(-1, 2 * ((value - lower) / (upper - lower)) - 1));
  return share > 0 ? palette.positive[Math.round(255 * share)] : palette.negative[Math.round(-255 * share) || 0];
}

// A colour in the format of ImageData for CSS
export function cssOfPixel(pixel) {
  const channels = [0, 8, 16].map((shift) => ((pixel >>> shift) & 255).toString(16).padStart(2, "0"));
  return `#${channels.join("")}`;
}

export function activationColor(byte, palette) {
  return byte > 128 ? palette.positive[2 * (byte - 128)] : palette.negative[Math.min(255, 2 * (128 - byte))];
}
