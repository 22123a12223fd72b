/**
 * `--include` and `--exclude`, as huggingface_hub's `allow_patterns` and `ignore_patterns` match: Python's fnmatch over the whole
 * path, case counts. `*` takes anything, `/` too; `?` one character; `[seq]` one of them; `[!seq]` one that is not among them; a
 * pattern that ends in `/` means everything below it. Pure.
 *
 * Patterns come from anyone who may talk to the daemon, so they are not made into regular expressions: matching takes at most
 * pattern length × path length steps.
 */
import { SwarmError } from "./errors.js";

/** Longer than any path the Hub allows; what is longer is a mistake. */
const MAX_PATTERN_LENGTH = 1024;
const MAX_PATTERNS = 1000;

export interface FilePatterns {
  /** A file must match one of these. Left out or empty: every file may come. */
  readonly include?: readonly string[] | undefined;
  /** A file that matches one of these stays away, even if it is included. */
  readonly exclude?: readonly string[] | undefined;
}

type CharacterTest = (character: string) => boolean;
/** One character to match, or any number of any characters. */
type Token = CharacterTest | "star";

/** A test for paths (`/`-separated, relative). @throws SwarmError USAGE that names the bad pattern. */
export function compileFilePatterns(patterns: FilePatterns): (path: string) => boolean {
  const include = compileAll(patterns.include ?? [], "include");
  const exclude = compileAll(patterns.exclude ?? [], "exclude");
  return (path) => {
    const characters = Array.from(path);
    if (include.length > 0 && !include.some((tokens) => matches(tokens, characters))) return false;
    return !exclude.some((tokens) => matches(tokens, characters));
  };
}

function compileAll(patterns: readonly string[], name: string): Token[][] {
  if (patterns.length > MAX_PATTERNS) {
    throw new SwarmError("USAGE", `${patterns.length} ${name} patterns are too many`, {
      hint: `Give at most ${MAX_PATTERNS}; one pattern with * may do for many files.`,
    });
  }
  return patterns.map((pattern) => compilePattern(pattern, name));
}

function compilePattern(pattern: string, name: string): Token[] {
  const hint =
    "Patterns look like *.safetensors, onnx/* or model-0000[1-4]*; quote them so that the shell leaves them alone.";
  if (pattern === "") throw new SwarmError("USAGE", `an ${name} pattern is empty`, { hint });
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new SwarmError("USAGE", `an ${name} pattern is ${pattern.length} characters long`, { hint });
  }
  const characters = Array.from(pattern.endsWith("/") ? `${pattern}*` : pattern);
  const tokens: Token[] = [];
  let position = 0;
  while (position < characters.length) {
    const character = characters[position] as string;
    const end = character === "[" ? findSetEnd(characters, position) : -1;
    if (end !== -1) {
      tokens.push(compileSet(characters.slice(position + 1, end)));
      position = end + 1;
      continue;
    }
    if (character === "*") {
      if (tokens.at(-1) !== "star") tokens.push("star");
    } else if (character === "?") {
      tokens.push(() => true);
    } else {
      tokens.push((other) => other === character);
    }
    position += 1;
  }
  return tokens;
}

/** Index of the `]` that closes the set opened at `open`, or -1: then the `[` is an ordinary character. */
function findSetEnd(characters: readonly string[], open: number): number {
  let first = open + 1;
  if (characters[first] === "!") first += 1;
  // A `]` right at the start belongs to the set.
  return characters.indexOf("]", first + 1);
}

/** What stands between the brackets: `a`, `a-z`, or a mix; `!` in front turns it round. A range that runs backwards is empty. */
function compileSet(body: readonly string[]): CharacterTest {
  const isNegated = body[0] === "!";
  const items = isNegated ? body.slice(1) : body;
  const ranges: { low: number; high: number }[] = [];
  let position = 0;
  while (position < items.length) {
    const low = codeOf(items[position]);
    const isRange = items[position + 1] === "-" && position + 2 < items.length;
    const high = isRange ? codeOf(items[position + 2]) : low;
    ranges.push({ low, high });
    position += isRange ? 3 : 1;
  }
  return (character) => {
    const code = codeOf(character);
    return ranges.some(({ low, high }) => low <= code && code <= high) !== isNegated;
  };
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? Number.NaN;
}

/** Walks both once; on a mismatch only the latest star takes one character more, which is enough. */
function matches(tokens: readonly Token[], characters: readonly string[]): boolean {
  let token = 0;
  let position = 0;
  let starToken = -1;
  let starPosition = 0;
  while (position < characters.length) {
    const current = tokens[token];
    if (current === "star") {
      starToken = token;
      starPosition = position;
      token += 1;
    } else if (current?.(characters[position] as string)) {
      token += 1;
      position += 1;
    } else if (starToken !== -1) {
      starPosition += 1;
      position = starPosition;
      token = starToken + 1;
    } else {
      return false;
    }
  }
  while (tokens[token] === "star") token += 1;
  return token === tokens.length;
}
