/** What can be pulled, as a person writes it, and what was probably meant where it can't. Pure. */
import { SwarmError } from "../errors.js";
import { parseRepoSpec } from "../ids.js";
import { findNearest } from "../nearest.js";

/** Longer than any URL a server takes. */
const MAX_URL_LENGTH = 8192;
/** Hosts whose pages people copy from the address bar. */
const HUB_PAGE = /^https?:\/\/(?:www\.)?(?:huggingface\.co|hf\.co)\/([^?#]*)/i;
const REPO_TYPES = ["models", "datasets", "spaces"];

/** Whether a pull target is a plain URL rather than a repo. */
export function isUrlTarget(target: string): boolean {
  return /^https?:\/\//i.test(target);
}

/** A repo or a URL, as it was given. @throws SwarmError USAGE */
export function parsePullTarget(target: string): string {
  if (!isUrlTarget(target)) return parseRepoTarget(target);
  // The origin room parses it for good; here only what could not be a URL at all is refused.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (target.length > MAX_URL_LENGTH || /[\u0000-\u0020\u007f]/.test(target) || !/^https?:\/\/[^/?#]/i.test(target)) {
    throw new SwarmError("USAGE", `not a URL: ${JSON.stringify(target.slice(0, 200))}`, {
      hint: "A URL looks like https://host/path/model.gguf, with spaces written as %20.",
    });
  }
  const repo = findRepoOfPage(target);
  if (repo === undefined) return target;
  throw new SwarmError("USAGE", `${target} is the web page of a repo, not a file`, { hint: `Did you mean ${repo}?` });
}

/** A repo with an optional `@revision`, as it was given. @throws SwarmError USAGE */
export function parseRepoTarget(target: string): string {
  try {
    parseRepoSpec(target);
    return target;
  } catch (error) {
    const meant = findMeant(target);
    if (meant === undefined) throw error;
    throw new SwarmError("USAGE", (error as SwarmError).message, { cause: error, hint: `Did you mean ${meant}?` });
  }
}

/** The likely meaning of a target that is no repo. */
function findMeant(target: string): string | undefined {
  const [, scheme, rest] = /^([A-Za-z]{2,8})(?::\/\/?|\/\/)(.+)$/.exec(target) ?? [];
  if (scheme !== undefined) {
    const nearest = scheme.toLowerCase() === "hf" ? undefined : findNearest(scheme, ["https", "http"]);
    return nearest === undefined ? rest : `${nearest}://${rest}`;
  }
  const trimmed = target.replace(/^\/+|\/+$/g, "");
  const [type, ...name] = trimmed.split("/");
  const nearestType = name.length === 2 ? findNearest(type as string, REPO_TYPES) : undefined;
  const meant = nearestType === undefined ? trimmed : [nearestType, ...name].join("/");
  return meant !== target && isRepo(meant) ? meant : undefined;
}

/** `https://huggingface.co/org/name`, `…/tree/main`, `…/blob/main/file`: pages, not files. A `/resolve/` URL is a file. */
function findRepoOfPage(url: string): string | undefined {
  const path = HUB_PAGE.exec(url)?.[1];
  if (path === undefined || /\/(?:resolve|raw)\//.test(path)) return undefined;
  const page = /^((?:datasets\/|spaces\/)?[^/]+\/[^/]+)(?:\/(?:tree|blob)\/([^/]+)(?:\/.*)?)?\/?$/.exec(path);
  if (page === null) return undefined;
  const repo = page[2] === undefined ? page[1] : `${page[1]}@${page[2]}`;
  return repo !== undefined && isRepo(repo) ? repo : undefined;
}

function isRepo(text: string): boolean {
  try {
    parseRepoSpec(text);
    return true;
  } catch {
    return false;
  }
}
