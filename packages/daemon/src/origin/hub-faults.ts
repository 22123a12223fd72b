/** What the Hub's refusals mean. */
import { formatRepo, type RepoRef, SwarmError } from "@swarmd/protocol";
import type { Head } from "./exchange.js";

/** What was asked for when the Hub refused. */
export interface HubRequest {
  readonly repo: RepoRef;
  /** As the user wrote it, or the commit. */
  readonly revision: string;
  /** The file, where it was about one. */
  readonly path?: string;
  /** Of the Hub. */
  readonly endpoint: string;
  readonly hasToken: boolean;
}

type Explain = (request: HubRequest) => SwarmError;

const BY_ERROR_CODE: Readonly<Record<string, Explain>> = {
  RepoNotFound: repoNotFound,
  RevisionNotFound: revisionNotFound,
  EntryNotFound: fileNotFound,
  GatedRepo: gated,
};

/** The error to throw for an answer that is neither 2xx, a redirect nor "not now". */
export function explainHubRefusal(head: Head, request: HubRequest): SwarmError {
  const { status, fields } = head;
  const byCode = BY_ERROR_CODE[fields["x-error-code"] ?? ""];
  if (byCode !== undefined) return byCode(request);
  const said = fields["x-error-message"] ?? "";
  if (/access to this resource is disabled/i.test(said)) return disabled(request);
  if (/gated|awaiting a review|accept (?:its|the|their) (?:conditions|terms)/i.test(said)) return gated(request);
  if (status === 401) return unauthorized(request);
  if (status === 403) return forbidden(request);
  if (status === 404 || status === 410)
    return request.path === undefined ? repoNotFound(request) : fileNotFound(request);
  return new SwarmError("ORIGIN_FAULT", `${hostOf(request)} answered ${status} to a request for ${nameOf(request)}`, {
    hint: "Check HF_ENDPOINT if you set it: the address has to be a Hugging Face Hub or a mirror of one.",
  });
}

/** Also for a file list that hides its checksums. */
export function gated(request: HubRequest): SwarmError {
  const page = `${request.endpoint}/${formatRepo(request.repo)}`;
  return new SwarmError(
    "ACCESS_GATED",
    `${formatRepo(request.repo)} is gated: its owner lets in only who accepts the terms`,
    {
      hint: request.hasToken
        ? `Open ${page}, accept the terms with the account of your token, and pull again once access is granted.`
        : `Open ${page}, accept the terms, then set HF_TOKEN to a token of that account and pull again.`,
    },
  );
}

function repoNotFound(request: HubRequest): SwarmError {
  const name = formatRepo(request.repo);
  return request.hasToken
    ? new SwarmError("REPO_NOT_FOUND", `${hostOf(request)} has no repo ${name} that your token may see`, {
        hint: "Check the spelling (org/name; datasets/org/name for a dataset) and whether the token may read it.",
      })
    : new SwarmError("REPO_NOT_FOUND", `${name} was not found on ${hostOf(request)}, or is private`, {
        hint: "Check the spelling (org/name; datasets/org/name for a dataset); if the repo is private, set HF_TOKEN.",
      });
}

function revisionNotFound({ repo, revision }: HubRequest): SwarmError {
  return new SwarmError("REVISION_NOT_FOUND", `${formatRepo(repo)} has no revision ${revision}`, {
    hint: "Give a branch, tag or commit that the repo's page lists under Files and versions; without one it is main.",
  });
}

function fileNotFound(request: HubRequest): SwarmError {
  return new SwarmError("FILE_NOT_FOUND", `${nameOf(request)} does not exist`, {
    hint: "The repo may have changed: pull again to get its present file list.",
  });
}

function disabled(request: HubRequest): SwarmError {
  return new SwarmError("ACCESS_DENIED", `${hostOf(request)} has disabled access to ${formatRepo(request.repo)}`, {
    hint: "Nobody can download it; look at the repo's page for the reason.",
  });
}

function badToken(request: HubRequest): SwarmError {
  return new SwarmError("ACCESS_DENIED", `${hostOf(request)} does not accept your token`, {
    hint: "Set HF_TOKEN to a valid token, or unset it (and run `hf auth logout`) for public repos.",
  });
}

/**
 * Without a token the Hub does not tell a missing repo from a private one. A file of a repo whose list could be read is another
 * matter: that one exists.
 */
function unauthorized(request: HubRequest): SwarmError {
  if (request.hasToken) return badToken(request);
  if (request.path === undefined) return repoNotFound(request);
  return new SwarmError("ACCESS_DENIED", `${nameOf(request)} is not for everybody`, {
    hint: "Set HF_TOKEN to a token of an account that may read it.",
  });
}

function forbidden(request: HubRequest): SwarmError {
  return new SwarmError("ACCESS_DENIED", `${hostOf(request)} does not let you read ${nameOf(request)}`, {
    hint: request.hasToken
      ? "Check that the token has read access to this repo (fine-grained tokens list repos one by one)."
      : "Set HF_TOKEN to a token of an account that may read it.",
  });
}

function nameOf({ repo, revision, path }: HubRequest): string {
  return path === undefined ? `${formatRepo(repo)}@${revision}` : `${path} of ${formatRepo(repo)}@${revision}`;
}

function hostOf({ endpoint }: HubRequest): string {
  return new URL(endpoint).host;
}
