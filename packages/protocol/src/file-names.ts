/**
 * Which file names of a repo may be written to disk. The names come from an origin that nobody here controls, so whatever could
 * leave the snapshot folder, hide in it, or land on another file is refused before the first byte is fetched.
 */
import { SwarmError } from "./errors.js";

export interface FileNameRules {
  /** The file system takes `a` and `A` for the same file (macOS, Windows). */
  readonly isCaseInsensitive?: boolean;
  /** Windows: no `< > : " | ? *` anywhere. Elsewhere many datasets have times, with colons, in their names. */
  readonly isWindows?: boolean;
}

/** What every common file system takes. */
const MAX_SEGMENT_BYTES = 255;
/** Leaves room for the cache folder within the 4,096 bytes of Linux. */
const MAX_PATH_BYTES = 3072;
const DEVICE_NAME = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i;

/**
 * @param paths all files of one repo, relative and `/`-separated
 * @throws SwarmError UNSAFE_FILE_NAME, naming the file and what is wrong with it
 */
export function checkFileNames(paths: readonly string[], rules: FileNameRules = {}): void {
  for (const path of paths) {
    const problem = findProblem(path, rules);
    if (problem !== undefined) throw unsafe(path, problem);
  }
  checkClashes(paths, rules);
}

function findProblem(path: string, rules: FileNameRules): string | undefined {
  if (path === "") return "the name is empty";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "the path is absolute";
  if (path.includes("\\")) return "it holds a backslash, which some systems take for a separator";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(path)) return "it holds a control character";
  if (/\p{Cs}/u.test(path)) return "it is no valid Unicode";
  if (utf8Length(path) > MAX_PATH_BYTES) return `the path is longer than ${MAX_PATH_BYTES} bytes`;
  if (rules.isWindows === true && /[<>:"|?*]/.test(path)) return "Windows does not allow one of its characters";
  for (const segment of path.split("/")) {
    const problem = findSegmentProblem(segment);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function findSegmentProblem(segment: string): string | undefined {
  if (segment === "") return "it has an empty part";
  if (segment === "." || segment === "..") return `it has a part ${JSON.stringify(segment)}, which points elsewhere`;
  if (utf8Length(segment) > MAX_SEGMENT_BYTES) return `one of its parts is longer than ${MAX_SEGMENT_BYTES} bytes`;
  if (/[. ]$/.test(segment)) return "one of its parts ends with a dot or a space, which Windows drops";
  if (DEVICE_NAME.test(segment)) return `Windows reserves the name ${JSON.stringify(segment)}`;
  return undefined;
}

/** Two names for one file, and a file where another needs a folder. */
function checkClashes(paths: readonly string[], { isCaseInsensitive = false }: FileNameRules): void {
  // macOS also takes a letter with a combining accent for the accented letter.
  const fold = (path: string) => (isCaseInsensitive ? path.normalize("NFC").toLowerCase() : path);
  const seen = new Map<string, string>();
  for (const path of paths) {
    const other = seen.get(fold(path));
    if (other !== undefined) throw unsafe(path, `here it is the same file as ${JSON.stringify(other)}`);
    seen.set(fold(path), path);
  }
  // A folder may be spelled in two ways as well: each spelling would be made, and on such a file system they become one. That is
  // harmless; only a file in the place of a folder is not.
  for (const path of paths) {
    const folded = fold(path);
    for (let slash = folded.indexOf("/"); slash !== -1; slash = folded.indexOf("/", slash + 1)) {
      const other = seen.get(folded.slice(0, slash));
      if (other !== undefined) throw unsafe(path, `${JSON.stringify(other)} is a file, so it can't be a folder too`);
    }
  }
}

function unsafe(path: string, problem: string): SwarmError {
  return new SwarmError(
    "UNSAFE_FILE_NAME",
    `the repo holds a file that can't be written safely: ${show(path)}: ${problem}`,
    {
      hint: "Leave it out with --exclude, and tell the owner of the repo.",
    },
  );
}

function show(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
}

/** Without TextEncoder, which this package does without. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
