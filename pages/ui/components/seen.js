// What the classifier of the real images sees in a picture, in words.

const NAMED = 4 // attributes at most

// "" where there is no classifier.
export function seenIn(scores, classifier) {
  if (!scores || !classifier) return ""
  const { names, exclusive } = classifier
  const ranked = names.map((name, k) => [name, scores[k]]).sort((a, b) => b[1] - a[1])
  const shown = exclusive ? ranked.slice(0, 1) : ranked.filter(([, p]) => p > 0.5).slice(0, NAMED)
  const listed = shown.map(([name, p]) => `${name} (${Math.round(100 * p)} %)`).join(", ")
  return `The classifier sees: ${listed || "none of its attributes"}.`
}
