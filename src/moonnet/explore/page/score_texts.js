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
  if (header.target === null) {
    return [`training accuracy ${formatPercent(header.accuracy)}`, ...memberScores(header, formatPercent)];
  }
  const lines = [
    `training R² ${formatScore(header.r2)}`, ...memberScores(header, formatScore),
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

// The smallest and the largest held-out score of the members of an ensemble
function memberScores({ n_members: nMembers, member_test_scores: scores }, format) {
  if (nMembers === 1) return [];
  const known = scores.filter((score) => score !== null);
  const range = known.length === 0 ? "–" : `${format(Math.min(...known))} to ${format(Math.max(...known))}`;
  return [`${nMembers} members: held-out ${range}`];
}
