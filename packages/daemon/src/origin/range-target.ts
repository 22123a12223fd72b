/** One file at its origin, as a reader of ranges needs to know it: where to ask, and how to tell that it is still the same file. */
import { type BlobId, type CommitId, digestOf, formatRepo, type RepoRef, SwarmError } from "@swarmd/protocol";
import type { Head } from "./exchange.js";
import { parseByteCount, parseEtag } from "./header-fields.js";
import { explainHubRefusal } from "./hub-faults.js";
import type { HubOptions } from "./hub-origin.js";
import { resolveUrl } from "./hub-urls.js";
import { type OriginUrl, parseOriginUrl, showUrl } from "./origin-url.js";
import { isRedirect } from "./redirects.js";
import { explainUrlRefusal, type UrlValidators } from "./url-origin.js";

/** Where the bytes of a blob can be had. */
export type Locator =
  | {
      readonly kind: "hub";
      readonly repo: RepoRef;
      readonly commit: CommitId;
      readonly path: string;
      readonly sizeBytes: number;
      /** Of whoever wants the file, where the node's own will not do. */
      readonly token?: string;
    }
  | {
      readonly kind: "url";
      /** May hold credentials. */
      readonly url: string;
      readonly sizeBytes: number;
      readonly validators: UrlValidators;
    };

export interface RangeTarget {
  readonly start: OriginUrl;
  readonly sizeBytes: number;
  /** Validator for If-Range. */
  readonly ifRange?: string;
  /**
   * Looks at every answer on the way to the bytes, redirects included.
   *
   * @throws SwarmError ORIGIN_CHANGED when it is about another file than the registered one
   */
  readonly checkIdentity: (head: Head, url: URL) => void;
  /** The error for a refusal by the host of `start`. */
  readonly explain: (head: Head) => SwarmError;
}

/** @throws SwarmError USAGE, UNSAFE_FILE_NAME for a locator nobody can ask for */
export function rangeTargetOf(blob: BlobId, locator: Locator, hub: HubOptions): RangeTarget {
  return locator.kind === "hub" ? hubTarget(blob, locator, hub) : urlTarget(locator);
}

function hubTarget(blob: BlobId, locator: Locator & { kind: "hub" }, hub: HubOptions): RangeTarget {
  const { repo, commit, path, sizeBytes, token = hub.token } = locator;
  const { endpoint } = hub;
  const url = resolveUrl(endpoint, repo, commit, path);
  const request = { repo, revision: commit, path, endpoint, hasToken: token !== undefined };
  return {
    start: token === undefined ? { url } : { url, authorization: `Bearer ${token}` },
    sizeBytes,
    checkIdentity: (head, from) => {
      // The CDN has ETags of its own.
      if (from.origin === url.origin) checkHubIdentity(head, blob, locator);
    },
    explain: (head) => explainHubRefusal(head, request),
  };
}

function checkHubIdentity({ fields }: Head, blob: BlobId, locator: Locator & { kind: "hub" }): void {
  const digest = digestOf(blob)?.hex;
  const etag = parseEtag(fields["x-linked-etag"] ?? fields.etag);
  // Only a tag of the same kind can be compared; a mirror may have its own for small files.
  const isOtherDigest = etag !== undefined && etag.length === digest?.length && etag !== digest;
  const isOtherSize = (parseByteCount(fields["x-linked-size"]) ?? locator.sizeBytes) !== locator.sizeBytes;
  const isOtherCommit = (fields["x-repo-commit"] ?? locator.commit) !== locator.commit;
  if (!isOtherDigest && !isOtherSize && !isOtherCommit) return;
  throw changed(`${locator.path} of ${formatRepo(locator.repo)}@${locator.commit}`);
}

function urlTarget(locator: Locator & { kind: "url" }): RangeTarget {
  const start = parseOriginUrl(locator.url);
  const { etag } = locator.validators;
  return {
    start,
    sizeBytes: locator.sizeBytes,
    // A weak tag promises the same meaning, not the same bytes.
    ...(etag === undefined || etag.startsWith("W/") ? {} : { ifRange: etag }),
    checkIdentity: (head) => {
      if (isRedirect(head) || isSameVersion(head, locator.validators)) return;
      throw changed(showUrl(start.url));
    },
    explain: (head) => explainUrlRefusal(head, start),
  };
}

function isSameVersion({ status, fields }: Head, known: UrlValidators): boolean {
  if (status !== 200 && status !== 206) return true;
  const [etag, knownEtag] = [parseEtag(fields.etag), parseEtag(known.etag)];
  if (etag !== undefined && knownEtag !== undefined) return etag === knownEtag;
  const lastModified = fields["last-modified"];
  return lastModified === undefined || known.lastModified === undefined || lastModified === known.lastModified;
}

/** The origin has other content now than when the file was planned. */
export function changed(name: string): SwarmError {
  return new SwarmError("ORIGIN_CHANGED", `${name} changed at its origin while it was being fetched`, {
    hint: "Pull again: what it is now will be fetched from the start.",
  });
}
