// Numbers as text

export function formatPercent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

// R², which may be far below zero or undefined
export function formatScore(score) {
  if (score === null) return "–";
  return (score > -100 ? score.toFixed(3) : String(Number(score.toPrecision(3)))).replace("-", "−");
}

export function formatSignificant(value) {
  return value === null ? "–" : String(Number(value.toPrecision(3)));
}

export function formatNumber(value) {
  if (value === null) return "None";
  return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential().replace("e-", "e−") : String(value);
}

export function formatDuration(milliseconds) {
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
