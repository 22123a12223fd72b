/** Text on a terminal: its width, and what must never reach it. Pure. */
import stringWidth from "fast-string-width";

const ELLIPSIS = "…";

/** Names come from strangers: control characters could move the cursor or worse, so they are shown as `?`. */
export function sanitize(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, "?");
}

/** Columns the text takes; colour codes take none. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

/** At most `columns` wide; what is too long loses its middle, where file names of one model are all alike. */
export function truncateMiddle(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  if (columns <= 1) return columns === 1 ? ELLIPSIS : "";
  const characters = Array.from(text);
  const tail = takeWidth(characters.slice().reverse(), Math.floor((columns - 1) / 2));
  const head = takeWidth(characters, columns - 1 - widthOf(tail.join("")));
  return `${head.join("")}${ELLIPSIS}${tail.reverse().join("")}`;
}

export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - widthOf(text)));
}

export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - widthOf(text))) + text;
}

function takeWidth(characters: readonly string[], columns: number): string[] {
  const taken: string[] = [];
  let width = 0;
  for (const character of characters) {
    width += widthOf(character);
    if (width > columns) break;
    taken.push(character);
  }
  return taken;
}
