/**
 * The list of repos to have: one a line, `org/model[@rev]`, with `--include GLOB` and `--exclude GLOB` behind it as `swarm pull` takes
 * them; `#` begins a comment. Pure.
 */
import { SwarmError, toSwarmError } from "../errors.js";
import type { ListProblem } from "./background-types.js";
import { parsePullRequest } from "./requests.js";
import { isUrlTarget } from "./targets.js";
import type { PullRequest } from "./types.js";

export interface PrefetchEntries {
  /** Each once, in the order of the file. */
  readonly pulls: readonly PullRequest[];
  readonly problems: readonly ListProblem[];
}

/** More is no list that a person keeps. */
const MOST_ENTRIES = 10_000;
const FIELDS: Readonly<Record<string, "include" | "exclude">> = { "--include": "include", "--exclude": "exclude" };

/** What is right counts, whatever else is wrong. */
export function parsePrefetchList(text: string): PrefetchEntries {
  const pulls = new Map<string, PullRequest>();
  const problems: ListProblem[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    try {
      const pull = parseLine(line);
      if (pull === undefined) continue;
      if (pulls.size === MOST_ENTRIES) throw new SwarmError("USAGE", `more than ${MOST_ENTRIES} repos`);
      pulls.set(JSON.stringify(pull), pull);
    } catch (error) {
      const { message, hint } = toSwarmError(error);
      problems.push({ line: index + 1, message: hint === undefined ? message : `${message} (${hint})` });
      if (pulls.size === MOST_ENTRIES) break;
    }
  }
  return { pulls: [...pulls.values()], problems };
}

function parseLine(line: string): PullRequest | undefined {
  const [target, ...rest] = splitWords(line);
  if (target === undefined) return undefined;
  if (isUrlTarget(target)) {
    throw new SwarmError("USAGE", `a list names repos, and this is a URL: ${target.slice(0, 200)}`, {
      hint: "swarm pull --background takes URLs.",
    });
  }
  const patterns: Record<"include" | "exclude", string[]> = { include: [], exclude: [] };
  for (let at = 0; at < rest.length; at += 2) {
    const [flag = "", inline] = splitFlag(rest[at] as string);
    const field = FIELDS[flag];
    const value = inline ?? rest[at + 1];
    if (field === undefined) {
      throw new SwarmError("USAGE", `neither --include nor --exclude: ${JSON.stringify(rest[at])}`);
    }
    if (value === undefined) throw new SwarmError("USAGE", `${flag} is the last word of its line`);
    if (inline !== undefined) at -= 1;
    patterns[field].push(value);
  }
  const { include, exclude } = patterns;
  return parsePullRequest(
    { target, include: include.length > 0 ? include : undefined, exclude: exclude.length > 0 ? exclude : undefined },
    { target: "the repo", include: "--include", exclude: "--exclude" },
  );
}

/** `--include=*.gguf`. */
function splitFlag(word: string): readonly [string, string?] {
  const at = word.indexOf("=");
  return word.startsWith("--") && at > 0 ? [word.slice(0, at), word.slice(at + 1)] : [word];
}

/** Words as a shell would have them, up to a `#` that begins one. */
function splitWords(line: string): string[] {
  const words: string[] = [];
  const word = /\s*(?:(#)|((?:"[^"]*"|'[^']*'|[^\s"'])+)|(\S))/y;
  for (let found = word.exec(line); found !== null; found = word.exec(line)) {
    const [, comment, text, lone] = found;
    if (comment !== undefined) break;
    if (lone !== undefined) throw new SwarmError("USAGE", `a quote is not closed: ${line.slice(found.index).trim()}`);
    words.push((text as string).replaceAll(/"([^"]*)"|'([^']*)'/g, (_, twice, once) => twice ?? once));
  }
  return words;
}
