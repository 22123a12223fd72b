/**
 * The local API: HTTP/1.1 over the unix socket in the state folder. Each route stands here once; server and client derive from it.
 *
 * Requests with a body send JSON. A `json` route answers with one JSON value. An `ndjson` route answers with one JSON object per
 * line while the work goes on; its last line is `error` or the one named in `last`. An error before the work starts is an HTTP
 * status and an ErrorBody.
 */
import type {
  BackgroundRequest,
  CancelRequest,
  CancelResult,
  PrefetchRequest,
  PrefetchResult,
  StopPrefetchRequest,
  WatchEvent,
  WatchRequest,
} from "./background-orders.js";
import type { BackgroundJob } from "./background-types.js";
import type {
  ClusterCreated,
  ClusterCreateRequest,
  ClusterInvitation,
  ClusterInviteRequest,
  ClusterJoinRequest,
  ClusterKeyShown,
  ClusterLeft,
  ClusterRotated,
  ClusterRotateRequest,
  ClusterStatus,
} from "./cluster-types.js";
import type {
  AddEvent,
  AddRequest,
  LocateRequest,
  ManifestRequest,
  ModelLocation,
  ModelManifest,
  RegisterRequest,
  RegisterResult,
} from "./face-types.js";
import type {
  CacheListing,
  CollectRequest,
  CollectResult,
  DiffRequest,
  DiffResult,
  HoldEvent,
  HoldRequest,
  LimitsRequest,
  NodeLimits,
  NodeStatus,
  PinRequest,
  PinResult,
  PullEvent,
  PullRequest,
  RemoveRequest,
  RemoveResult,
  StopResult,
  UnbanRequest,
  UnbanResult,
  UnpinRequest,
  VerifyEvent,
  VerifyRequest,
} from "./types.js";

export interface JsonRoute<Request, Response> {
  readonly kind: "json";
  readonly method: "GET" | "POST";
  readonly path: string;
  /** For the compiler only: never there. */
  readonly types?: { readonly request: Request; readonly response: Response };
}

export interface StreamRoute<Request, Event extends { readonly type: string }> {
  readonly kind: "ndjson";
  readonly method: "POST";
  readonly path: string;
  /** The line that says all went well; a stream that ends without it, or `error`, was cut off. */
  readonly last: Event["type"];
  /** Lines that may be skipped when the reader is slow. */
  readonly skippable: readonly Event["type"][];
  /** For the compiler only: never there. */
  readonly types?: { readonly request: Request; readonly event: Event };
}

function json<Request, Response>(method: "GET" | "POST", path: string): JsonRoute<Request, Response> {
  return { kind: "json", method, path };
}

function stream<Request, Event extends { readonly type: string }>(
  path: string,
  lines: { readonly last: Event["type"]; readonly skippable: readonly Event["type"][] },
): StreamRoute<Request, Event> {
  return { kind: "ndjson", method: "POST", path, ...lines };
}

export const ROUTES = {
  status: json<undefined, NodeStatus>("GET", "/v1/status"),
  list: json<undefined, CacheListing>("GET", "/v1/cache"),
  diff: json<DiffRequest, DiffResult>("POST", "/v1/diff"),
  pin: json<PinRequest, PinResult>("POST", "/v1/pin"),
  unpin: json<UnpinRequest, PinResult>("POST", "/v1/unpin"),
  pins: json<undefined, PinResult>("GET", "/v1/pins"),
  collect: json<CollectRequest, CollectResult>("POST", "/v1/collect"),
  hold: stream<HoldRequest, HoldEvent>("/v1/hold", { last: "released", skippable: [] }),
  remove: json<RemoveRequest, RemoveResult>("POST", "/v1/remove"),
  pull: stream<PullRequest, PullEvent>("/v1/pull", { last: "done", skippable: ["progress"] }),
  background: json<BackgroundRequest, BackgroundJob>("POST", "/v1/background"),
  cancel: json<CancelRequest, CancelResult>("POST", "/v1/background/cancel"),
  watch: stream<WatchRequest, WatchEvent>("/v1/background/watch", { last: "finished", skippable: [] }),
  prefetch: json<PrefetchRequest, PrefetchResult>("POST", "/v1/prefetch"),
  stopPrefetch: json<StopPrefetchRequest, PrefetchResult>("POST", "/v1/prefetch/stop"),
  verify: stream<VerifyRequest, VerifyEvent>("/v1/verify", { last: "verified", skippable: [] }),
  limits: json<LimitsRequest, NodeLimits>("POST", "/v1/limits"),
  unban: json<UnbanRequest, UnbanResult>("POST", "/v1/unban"),
  cluster: json<undefined, ClusterStatus>("GET", "/v1/cluster"),
  clusterCreate: json<ClusterCreateRequest, ClusterCreated>("POST", "/v1/cluster/create"),
  clusterInvite: json<ClusterInviteRequest, ClusterInvitation>("POST", "/v1/cluster/invite"),
  clusterJoin: json<ClusterJoinRequest, ClusterStatus>("POST", "/v1/cluster/join"),
  clusterLeave: json<undefined, ClusterLeft>("POST", "/v1/cluster/leave"),
  clusterRotate: json<ClusterRotateRequest, ClusterRotated>("POST", "/v1/cluster/rotate"),
  clusterKey: json<undefined, ClusterKeyShown>("POST", "/v1/cluster/key"),
  manifest: json<ManifestRequest, ModelManifest>("POST", "/v1/manifest"),
  locate: json<LocateRequest, ModelLocation>("POST", "/v1/locate"),
  register: json<RegisterRequest, RegisterResult>("POST", "/v1/register"),
  add: stream<AddRequest, AddEvent>("/v1/add", { last: "added", skippable: [] }),
  stop: json<undefined, StopResult>("POST", "/v1/stop"),
} as const;

export type Routes = typeof ROUTES;
export type RouteName = keyof Routes;

/** The only names a client may call this server by: it is reached through a file, so a real host name is somebody else's idea. */
export const API_HOSTS: readonly string[] = ["swarmd", "localhost"];
