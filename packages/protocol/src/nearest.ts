/** The nearest right spelling of a word somebody mistyped. Pure. */

/** Beyond this a guess is no help, and the table below would grow with whatever was typed. */
const MAX_WORD_LENGTH = 64;

/**
 * The choice that is fewest typing slips away from `word` (a letter missing, added, wrong, or two swapped), or `undefined` when
 * none is near: at most one slip per three letters, at least one. Upper and lower case count as the same.
 */
export function findNearest(word: string, choices: readonly string[]): string | undefined {
  if (word.length > MAX_WORD_LENGTH) return undefined;
  let best: string | undefined;
  let bestSlips = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const choice of choices) {
    const slips = countSlips(word.toLowerCase(), choice.toLowerCase());
    if (slips < bestSlips) {
      best = choice;
      bestSlips = slips;
    }
  }
  return best;
}

/** `Did you mean …?`, or `undefined` when nothing is near. */
export function suggestNearest(word: string, choices: readonly string[]): string | undefined {
  const nearest = findNearest(word, choices);
  return nearest === undefined ? undefined : `Did you mean ${nearest}?`;
}

/** Optimal string alignment distance: Levenshtein, and two neighbours swapped count once. */
function countSlips(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const wrong = from[row - 1] === to[column - 1] ? 0 : 1;
      let slips = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + wrong);
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) slips = Math.min(slips, beforeLast[column - 2]! + 1);
      current.push(slips);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length]!;
}
