// The scores of a network as text, from the header of its picture: of classes accuracies, of numbers R² and RMSE

import { formatPercent, formatScore, formatSignificant } from "./formats.js";

// Name and value of the most important score
export function mainScore(header) {
  return header.target === null
    ? { name: "held-out accuracy", text: formatPercent(header.test_accuracy) }
    : { name: "held-out R²", text: formatScore(header.test_r2) };
}

// The other scores, a line each
export function otherScores(header) {
  if (header.target === null) return [`training accuracy ${formatPercent(header.accuracy)}`];
  const lines = [
    `training R² ${formatScore(header.r2)}`,
    `RMSE ${formatSignificant(header.rmse)} training, ${formatSignificant(header.test_rmse)} held-out`,
  ];
  if (header.below !== undefined) {
    lines.push(`below the line: ${formatPercent(header.below)} training, ${formatPercent(header.test_below)} held-out`);
  }
  if (header.within !== undefined) {
    lines.push(`in the band: ${formatPercent(header.within)} training, ${formatPercent(header.test_within)} held-out`);
  }
  return lines;
}
