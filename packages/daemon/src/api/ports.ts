/** What the local API needs of the node. */
import type {
  AddEvent,
  AddRequest,
  BackgroundJob,
  BackgroundRequest,
  CacheListing,
  CancelRequest,
  CancelResult,
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
  CollectRequest,
  CollectResult,
  DiffRequest,
  DiffResult,
  HoldEvent,
  HoldRequest,
  LimitsRequest,
  LocateRequest,
  ManifestRequest,
  ModelLocation,
  ModelManifest,
  NodeLimits,
  NodeStatus,
  PinRequest,
  PinResult,
  PrefetchRequest,
  PrefetchResult,
  PullEvent,
  PullRequest,
  RegisterRequest,
  RegisterResult,
  RemoveRequest,
  RemoveResult,
  StopPrefetchRequest,
  UnbanRequest,
  UnbanResult,
  UnpinRequest,
  VerifyEvent,
  VerifyRequest,
  WatchEvent,
  WatchRequest,
} from "@swarmd/protocol/api";

/** What can be ordered about the cluster of this node. Every method may throw SwarmError. */
export interface ClusterCommands {
  status(): Promise<ClusterStatus>;
  create(request: ClusterCreateRequest): Promise<ClusterCreated>;
  invite(request: ClusterInviteRequest): Promise<ClusterInvitation>;
  join(request: ClusterJoinRequest, options: { readonly signal: AbortSignal }): Promise<ClusterStatus>;
  leave(): Promise<ClusterLeft>;
  rotate(request: ClusterRotateRequest): Promise<ClusterRotated>;
  showKey(): ClusterKeyShown;
}

/** What a person or program can order. Every method may throw SwarmError. */
export interface Commands {
  readonly cluster: ClusterCommands;
  /**
   * Pulls, and reports as it goes; resolves after the `done` event. Progress that nobody takes in time is skipped, the other
   * events are not. Aborting the signal stops this pull and keeps what was fetched (INTERRUPTED).
   */
  pull(
    request: PullRequest,
    onEvent: (event: PullEvent) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  /** Pulls when nobody waits for another pull; answers when that is written down. */
  pullLater(request: BackgroundRequest): Promise<BackgroundJob>;
  /** Takes back what {@link pullLater} took. */
  cancel(request: CancelRequest): Promise<CancelResult>;
  /** Has what a list names, now and as it changes. */
  prefetch(request: PrefetchRequest): Promise<PrefetchResult>;
  stopPrefetch(request: StopPrefetchRequest): Promise<PrefetchResult>;
  /** Tells what becomes of what runs in the background; resolves after the `finished` event. */
  watch(
    request: WatchRequest,
    onEvent: (event: WatchEvent) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  remove(request: RemoveRequest, options: { readonly signal: AbortSignal }): Promise<RemoveResult>;
  /** What changed between two revisions, and what a pull of the second would move. */
  diff(request: DiffRequest, options: { readonly signal: AbortSignal }): Promise<DiffResult>;
  pin(request: PinRequest): Promise<PinResult>;
  unpin(request: UnpinRequest): Promise<PinResult>;
  collect(request: CollectRequest, options: { readonly signal: AbortSignal }): Promise<CollectResult>;
  /** Holds on to a model until the signal aborts. */
  hold(
    request: HoldRequest,
    onEvent: (event: HoldEvent) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  verify(
    request: VerifyRequest,
    onEvent: (event: VerifyEvent) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  /** Publishes a folder; resolves after the `added` event. */
  add(
    request: AddRequest,
    onEvent: (event: AddEvent) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  /** Notes that a node has a model, for those who ask where it is. */
  register(request: RegisterRequest): RegisterResult;
  /** Changes what is named, at once and for what runs already; answers with all limits. */
  limit(request: LimitsRequest): NodeLimits;
  /** Lifts the ban of a peer; answers with who is banned still. */
  unban(request: UnbanRequest): UnbanResult;
}

/** What a person or program can ask. */
export interface Views {
  list(options: { readonly signal: AbortSignal }): Promise<CacheListing>;
  pins(): PinResult;
  status(): Promise<NodeStatus>;
  /** What is in a model; the heads of its files are read for that. */
  manifest(request: ManifestRequest, options: { readonly signal: AbortSignal }): Promise<ModelManifest>;
  locate(request: LocateRequest): Promise<ModelLocation>;
}
