/** One node: builds the rooms, joins them, starts them in order and stops them in reverse. */
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type BlobId, SHARD_BYTES, VERSION } from "@swarmd/protocol";
import { adoptCache } from "./adopt-cache.js";
import type { ClusterKey } from "./cluster/ports.js";
import type { NodeConfig } from "./config.js";
import { CopyDesk, neighboursOf } from "./copies.js";
import { Engine, SWARM_DEFAULTS, type SwarmOptions } from "./core/engine.js";
import type { Input } from "./core/messages.js";
import { Evidence } from "./evidence.js";
import { Health } from "./health.js";
import type { RunningNode } from "./host.js";
import { NodeBackground } from "./node-background.js";
import { openCluster } from "./node-cluster.js";
import { nodeCommands, nodeViews } from "./node-commands.js";
import { NodeFaces } from "./node-faces.js";
import { openGateway } from "./node-gateway.js";
import { openKeeper } from "./node-keeper.js";
import type { Rates } from "./node-limits.js";
import type { EventLog } from "./observe/events.js";
import type { Logger } from "./observe/logger.js";
import { Origin, type OriginOptions } from "./origin/origin.js";
import { Proofs } from "./proofs.js";
import { Pulls } from "./pull/pulls.js";
import { type Clock, Pump } from "./pump.js";
import type { Admit } from "./serve/ports.js";
import { AnchorBasis } from "./store/anchor-basis.js";
import { BlobStore } from "./store/blob-store.js";
import { CacheBook } from "./store/cache-book.js";
import { VisibilityRecords } from "./store/visibility-records.js";
import type { Swarm, SwarmDeps } from "./swarm.js";
import { limitSource } from "./transfer/limited-source.js";
import { Transfers } from "./transfer/transfers.js";
import { RateLimit } from "./transport/lanes/rate-limit.js";
import { FileDigests } from "./verify/file-digest.js";
import { loadBlake3 } from "./verify/shard-hasher.js";
import { Verifier } from "./verify/verifier.js";

export interface NodeOptions {
  readonly events: EventLog;
  readonly logger: Logger;
  /** Tests run time faster and lose patience sooner. */
  readonly clock?: Clock;
  readonly origin?: Partial<OriginOptions>;
}

/** After the first peer: those of a whole LAN are met by then. */
const PREPARE_MS = 1_500;

const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Starts a node. @throws SwarmError STORE_FAULT, NO_SPACE when its folders can't be used */
export async function startNode(config: NodeConfig, options: NodeOptions): Promise<RunningNode> {
  const { events, logger, clock = systemClock } = options;
  const { cacheDir, stateDir, endpoint, token, workers } = config;

  // verify: the only room that calls bytes right.
  const { createShardHasher } = await loadBlake3();
  const digests = new FileDigests();
  const verifier = new Verifier({ digests });

  // What happens before the engine is there to hear it waits for it.
  const early: Input[] = [];
  let push = (input: Input): void => void early.push(input);

  // store: where bytes end up.
  let forgetProofs: (blob: BlobId) => void = () => undefined;
  const onLost = (blob: BlobId) => {
    push({ type: "lost", blob });
    forgetProofs(blob);
  };
  const book = new CacheBook({ cacheDir, stateDir }, { events });
  const onStoring = (path: string) => book.noteOwn(path);
  const onRemoved = (path: string) => book.noteGone(path);
  const store = new BlobStore({ cacheDir, stateDir }, { createShardHasher, events, onLost, onStoring, onRemoved });
  await store.start();
  await book.load();

  const visibility = new VisibilityRecords({ path: join(stateDir, "visibility.json"), endpoint });

  // origin: where they come from.
  const origin = new Origin({ endpoint, token, workers, version: VERSION, ...options.origin }, { events, logger });

  // cluster: who may be a peer at all.
  let swarm: Swarm | undefined;
  const { cluster, members } = await openCluster(config, {
    store,
    logger,
    visibility,
    swarm: () => swarm,
    isPublished: (repo) => faces.isPublished(repo),
  });

  // by name: who has which repo, what is in it, and repos that no origin has.
  const basis = new AnchorBasis(stateDir);
  const faces = new NodeFaces(config, { store, visibility, origin, verifier, members, basis, logger, cluster });
  await faces.start();

  // background: what nobody waits for, and what all of it costs the line to the origin.
  const unattended = new NodeBackground(config, {
    events,
    logger,
    pulls: () => pulls,
    wants: () => pump,
    hasPeers: () => (swarm?.peers.length ?? 0) > 0,
  });
  const maxOrigin = RateLimit.of(config.maxOriginBytesPerS);
  const originSource = limitSource(unattended.meter(origin.sources), maxOrigin);

  // evidence: what shards from peers rest on.
  const proofs = await Proofs.open(
    { stateDir },
    {
      store,
      events,
      ask: () => (swarm === undefined ? undefined : (...args) => (swarm as Swarm).askProofs(...args)),
      holders: (blob, shard) => engine.holders(blob, shard),
    },
  );
  forgetProofs = (blob) => proofs.forget(blob);
  const onCompared = (blob: BlobId, bytes: number) => pump.compared(blob, bytes);
  const evidence = new Evidence({
    store,
    digests: verifier,
    proofs,
    createShardHasher,
    origin: originSource,
    onConflict: ({ about, signers }) => events.emit({ type: "conflict", ...about, signers }),
    onCompared,
    onLie: (blob, signer) => pump.exposed(blob, signer),
    spotCheck: config.offline ? undefined : config.spotCheck,
  });

  // A thread takes a twentieth of a second to start: in a moment when nothing else is to be done, not when the first pull waits.
  let preparing: NodeJS.Timeout | undefined;
  const prepare = () => {
    digests.prepare();
    swarm?.prepare();
  };

  // peers: absent with --no-peer.
  const admit: Admit = { ask: (asked) => pump.ask(asked), served: (request) => pump.served(request) };
  if (!config.noPeer) {
    swarm = await joinSwarm(config, cluster.key, {
      store,
      logger,
      admit,
      desk: evidence.desk,
      shelf: faces,
      push: (input) => {
        push(input);
        if (input.type === "peer-up") {
          cluster.peerUp(input.peer);
          faces.peerUp(input.peer);
          if (preparing === undefined) preparing = setTimeout(prepare, PREPARE_MS).unref();
        } else if (input.type === "peer-down") {
          cluster.peerDown(input.peer);
          faces.peerDown(input.peer);
        }
      },
      isPrivate: (blob) => engine.isPrivate(blob),
      hasAccess: (blob) => engine.hasAccess(blob),
      answer: (peer, request) => cluster.answer(peer, request),
      answerAboutCopies: (peer, request) => copies.answer(peer, request),
    });
  }

  // core decides, the pump carries out, transfer moves.
  const engine = new Engine({
    random: Math.random,
    shardBytes: SHARD_BYTES,
    originRequests: workers,
    ...(swarm === undefined ? {} : { swarm: swarmOptions(swarm) }),
  });
  evidence.peers = swarm;
  evidence.rules = engine;
  const transfers = new Transfers({
    newHasher: createShardHasher,
    judge: evidence.judge,
    proofs,
    report: (report) => pump.push(report),
    onCompared,
  });
  const pump: Pump = new Pump({ engine, store, transfers, verifier, originSource, evidence, swarm, events, clock });
  push = (input) => pump.push(input);
  push({ type: "sharing", sharing: cluster.key?.shareGated ?? "nobody" });
  faces.join({ engine, pump, swarm, heads: { locators: origin.sources, originSource } });
  for (const input of early) push(input);

  // keeper: how much of it may stay.
  const mayTellOf = (blob: BlobId) => engine.isPrivate(blob) === false;
  const around = swarm && neighboursOf(swarm, (blob) => engine.wholeHolders(blob));
  const kept = await openKeeper(config, {
    store,
    book,
    events,
    logger,
    mayTellOf,
    neighbours: () => around,
    published: () => faces.ownPublications(),
    onEvicted: (repo) => faces.look(repo),
  });

  // pull: what people ask for.
  const pulls = new Pulls(config, {
    origin: origin.hub,
    visibility,
    published: faces.published,
    onPulled: (repo) => faces.look(repo),
    files: origin.urls,
    store,
    members,
    basis,
    locators: origin.sources,
    anchors: proofs,
    wants: pump,
    keeper: kept.keeper,
    nowMs: () => performance.now(),
  });

  const takesCopies = !config.refuseCopies;
  const copies = new CopyDesk({ keeper: kept.keeper, store, pulls, logger, mayTellOf, takesCopies });

  // health: what rots is fetched again.
  const health = new Health(
    { scrubBytesPerS: config.scrubBytesPerS },
    { store, pulls, openDigest: (...args) => verifier.openDigest(...args), events, logger },
  );
  health.start();

  // announce: what was here before is offered once it is known to be public.
  const adopting = new AbortController();
  const { offline, noPeer } = config;
  const adopted = adoptCache({ store, visibility, origin, pump, faces, proofs, offline, noPeer }, adopting.signal);
  if (swarm !== undefined) cluster.started();

  // gateway: the same for programs that speak to the Hub.
  const onWait = () => unattended.attention.wait();
  const rooms = { origin, store, visibility, members, proofs, pump, pulls, faces, keeper: kept.keeper, logger, onWait };
  const gateway = await openGateway(config, rooms).catch(async (error) => {
    await stop();
    throw error;
  });
  await unattended.background.start();
  const rates = { maxOrigin, ...ratesOf(swarm) };
  return {
    commands: nodeCommands({ pulls, store, verifier, faces, proofs, cluster, swarm, kept, health, rates, unattended }),
    views: nodeViews(config, { pulls, store, faces, swarm, gateway, kept, unattended }),
    async stop() {
      await gateway?.stop();
      await stop();
    },
  };

  async function stop(): Promise<void> {
    adopting.abort();
    await unattended.background.stop();
    await cluster.stop();
    await swarm?.stop();
    await evidence.stop();
    await health.stop();
    await copies.stop();
    await kept.stop();
    await pump.stop();
    await origin.stop();
    await adopted;
    await faces.stop();
    await store.stop();
    await digests.stop();
  }
}

function ratesOf(swarm: Swarm | undefined): Pick<Rates, "maxUpload" | "maxDownload"> {
  return { maxUpload: swarm?.uploadLimit, maxDownload: swarm?.downloadLimit };
}

/** libp2p takes a while to load: only a node with peers does. */
async function joinSwarm(config: NodeConfig, key: ClusterKey | undefined, deps: SwarmDeps): Promise<Swarm> {
  const { Swarm } = await import("./swarm.js");
  const swarm = new Swarm(config, key, deps);
  await swarm.start();
  return swarm;
}

function swarmOptions(swarm: Swarm): SwarmOptions {
  const { id: self, capacityBytesPerS } = swarm;
  return { self, epoch: Date.now(), capacityBytesPerS, isCluster: false, ...SWARM_DEFAULTS };
}
