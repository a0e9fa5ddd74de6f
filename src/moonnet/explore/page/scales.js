// The ticks and labels of an axis, and values on it

// Round numbers between two limits, at most nTicks + 2 of them; none if a float64 cannot represent their distance
export function ticks(lower, upper, nTicks) {
  const rough = upper / nTicks - lower / nTicks; // the range itself may overflow
  if (!(rough > 0 && rough < Infinity)) return [];
  const exponent = Math.floor(Math.log10(rough));
  const number = (digits) => Number(`${digits}e${exponent}`); // correctly rounded, unlike a product with a power of ten
  const factor = [1, 2, 5, 10].find((candidate) => number(candidate) >= rough);
  const step = number(factor);
  const first = Math.ceil(lower / step - 1e-9);
  // A fixed count: beyond 2 ** 53, adding 1 to an index does not change it
  const found = Array.from({ length: nTicks + 2 }, (_, offset) => number((first + offset) * factor));
  const margin = 1e-9 * step;
  return [...new Set(found)].filter((tick) => tick >= lower - margin && tick <= upper + margin);
}

// The labels of an axis: numbers in full, or with exponents where that is shorter
export function tickLabels(values) {
  const longest = (labels) => Math.max(...labels.map((label) => label.length));
  const full = values.map(String);
  const short = values.map((value) => (value === 0 ? "0" : value.toExponential().replace("e+", "e")));
  return longest(full) <= 6 || longest(full) <= longest(short) ? full : short;
}

// A coordinate within limits, rounded to about a thousandth of their distance
export function roundCoordinate(value, [lower, upper]) {
  const digits = Math.min(100, Math.max(0, 3 - Math.floor(Math.log10(upper - lower))));
  return Math.min(upper, Math.max(lower, Number(value.toFixed(digits))));
}

export function nearestIndex(values, value) {
  if (values.includes(value)) return values.indexOf(value);
  const distances = values.map((known) => (known === null || value === null ? Infinity : Math.abs(known - value)));
  return distances.indexOf(Math.min(...distances));
}
