/** What the parts of one running Hub share. */
import type { FaultBox } from "./faults.js";
import type { Ledger } from "./ledger.js";
import type { PlainFile } from "./plain-file.js";
import type { QuotaMeter, Quotas } from "./quota.js";
import type { RepoShelf } from "./repo-shelf.js";
import type { Throttle } from "./throttle.js";
import type { UrlSigner } from "./url-signer.js";

/** A token's owner. */
export interface Account {
  readonly name: string;
  /** Private and gated repos it may read (`org/name`). Default: all. */
  readonly access?: readonly string[];
}

/** How the Hub behaves; each can be changed while it runs, with `hub.configure`. */
export interface HubSettings {
  /** Rate of the whole Hub, shared by all connections. Default: no limit. */
  readonly uplinkBytesPerSecond: number | undefined;
  /** Rate of each connection. Default: no limit. */
  readonly connectionBytesPerSecond: number | undefined;
  /** Time before each answer, on both listeners. Default 0. */
  readonly latencyMs: number;
  /** Entries per page of a tree. Default 1,000. */
  readonly treePageSize: number;
  /** Small files of public repos: a relative 307 to `/api/resolve-cache/…`, or 200 directly. Default `redirect`. */
  readonly smallFiles: "redirect" | "direct";
  /** Text and JSON go gzipped and chunked to those who accept it and ask for no range. Default true. */
  readonly gzipText: boolean;
  /** Life of a signed URL. Default one hour. */
  readonly signedUrlTtlMs: number;
  /** The CDN says `X-Cache: Hit from cloudfront`. Default false. */
  readonly cdnSaysCloudfront: boolean;
  /** Valid tokens. Default: `hf_reader`, who may read everything. */
  readonly tokens: Readonly<Record<string, Account>>;
  /** Requests per window that are allowed. Default: those of the real Hub are shown and none is enforced. */
  readonly quotas: Quotas | undefined;
}

export interface HubContext {
  readonly settings: HubSettings;
  readonly repos: RepoShelf;
  readonly plainFiles: Map<string, PlainFile>;
  readonly signer: UrlSigner;
  readonly uplink: Throttle;
  readonly ledger: Ledger;
  readonly faults: FaultBox;
  readonly quota: QuotaMeter;
  /** `http://host:port` of the second listener. */
  readonly cdnUrl: string;
}
