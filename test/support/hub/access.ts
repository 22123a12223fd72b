/** Who may see and read a repo, and with which answer the others go away. */
import { EarlyAnswer } from "./early-answer.js";
import type { Exchange } from "./exchange.js";
import type { HubRepo } from "./repos.js";

/** These stay readable behind a gate. */
const OPEN_FILES = /^(?:README|LICENSE)(?:\.[a-z]+)?$/i;

/** The repo of the request's route, if this caller may know that it exists. Throws the Hub's answer otherwise. */
export function admitToRepo(ex: Exchange): HubRepo {
  if (ex.caller.kind === "invalid") throw invalidToken();
  const asked = ex.route.repo as NonNullable<typeof ex.route.repo>;
  const repo = ex.context.repos.find(asked.type, asked.name);
  const isHidden = ex.faults.take("missingRepo") !== undefined;
  const isPrivate = ex.faults.take("private") !== undefined || repo?.isPrivate === true;
  if (!repo || isHidden || (isPrivate && !hasAccess(ex, repo))) throw missingRepo(ex);
  if (repo.name !== asked.name) throw movedTo(ex, asked.name, repo.name);
  if (repo.isDisabled) {
    const message = "Access to this resource is disabled.";
    throw new EarlyAnswer(403, message, { "X-Error-Message": message });
  }
  return repo;
}

/** True when this caller stands before a closed gate: contents are refused and LFS hashes are hidden. */
export function isGatedFor(ex: Exchange, repo: HubRepo): boolean {
  const isGated = ex.faults.take("gated") !== undefined || repo.isGated;
  return isGated && !hasAccess(ex, repo);
}

/** Throws when the gate of the repo is closed to this caller, whatever revision and file are asked for. */
export function passGate(ex: Exchange, repo: HubRepo, fileName: string): void {
  if (OPEN_FILES.test(fileName) || !isGatedFor(ex, repo)) return;
  throw EarlyAnswer.coded(
    ex.caller.kind === "user" ? 403 : 401,
    "GatedRepo",
    `${repo.urlPath} is gated: ask for access on its page, and send a token of the account that has it.`,
  );
}

export function invalidToken(): EarlyAnswer {
  const message = "Invalid credentials in Authorization header";
  return new EarlyAnswer(401, message, { "X-Error-Message": message });
}

function hasAccess(ex: Exchange, repo: HubRepo): boolean {
  if (ex.caller.kind !== "user") return false;
  return ex.caller.account.access?.includes(repo.name) ?? true;
}

/** Whoever brings no token is not told whether the repo exists, and gets no error code. */
function missingRepo(ex: Exchange): EarlyAnswer {
  if (ex.caller.kind === "user") return EarlyAnswer.coded(404, "RepoNotFound", "Repository not found");
  const message = "Invalid username or password.";
  return new EarlyAnswer(401, message, { "X-Error-Message": message });
}

function movedTo(ex: Exchange, from: string, to: string): EarlyAnswer {
  const encode = (name: string) => name.split("/").map(encodeURIComponent).join("/");
  return EarlyAnswer.redirect(307, ex.url.pathname.replace(encode(from), encode(to)) + ex.url.search);
}
