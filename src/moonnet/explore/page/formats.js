// Numbers as text

export function formatPercent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

export function formatNumber(value) {
  if (value === null) return "None";
  return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential().replace("e-", "e−") : String(value);
}

export function formatDuration(milliseconds) {
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
