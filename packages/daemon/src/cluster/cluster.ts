/** This node's membership: made, joined, left, given a new key; and the members, as far as they are known. */
import { type NodeId, SwarmError } from "@swarmd/protocol";
import type {
  ClusterCreated,
  ClusterCreateRequest,
  ClusterInvitation,
  ClusterInviteRequest,
  ClusterJoinRequest,
  ClusterLeft,
  ClusterRotated,
  ClusterRotateRequest,
  ClusterStatus,
} from "@swarmd/protocol/api";
import {
  GRANT_MEMBERS_MAX,
  type Grant,
  MEMBER_NAME_LENGTH_MAX,
  type MemberRequest,
  type WireMember,
} from "@swarmd/protocol/wire";
import type { Logger } from "../observe/logger.js";
import { ClusterFile, type Membership } from "./cluster-file.js";
import { Desk, type DeskView } from "./desk.js";
import { findInviter } from "./find-inviter.js";
import { Members } from "./members.js";
import { parsePairCode } from "./pair-code.js";
import type { ClusterKey, ClusterNetwork, MemberAnswer, PairBeacon, RepoShelf } from "./ports.js";
import { answerFromShelf } from "./shelf-answers.js";
import { clusterIdOf, makeSwarmKey, parseSwarmKey, publicNameOf } from "./swarm-key.js";

export interface ClusterOptions {
  readonly stateDir: string;
  /** The machine's name, for people. */
  readonly hostName: string;
  /** `false`: this node goes without peers, so a membership is only noted. */
  readonly hasPeers: boolean;
}

export interface ClusterDeps {
  readonly network: ClusterNetwork;
  readonly beacon: PairBeacon;
  readonly shelf: RepoShelf;
  /** This node's name, made at the first need. */
  readonly self: () => Promise<NodeId>;
  /** By the wall clock. */
  readonly nowMs: () => number;
  readonly logger: Logger;
}

/** A member that is there answers at once. */
const ASK_MS = 10_000;
const GOODBYE_MS = 2_000;
const DEFAULT_NAME = "cluster";

export class Cluster {
  readonly name = "cluster";
  readonly #options: ClusterOptions;
  readonly #deps: ClusterDeps;
  readonly #file: ClusterFile;
  readonly #members: Members;
  readonly #desk: Desk;
  readonly #stopped = new AbortController();
  #membership: Membership | undefined;
  /** Orders go one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #orders = 0;

  constructor(options: ClusterOptions, deps: ClusterDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#file = new ClusterFile(options.stateDir);
    this.#members = new Members(options.stateDir);
    this.#desk = new Desk({
      beacon: deps.beacon,
      grant: () => this.#grant(this.#need()),
      onAdmitted: (member) => void this.#admitted(member),
      nowMs: deps.nowMs,
      logger: deps.logger,
    });
  }

  /** Reads what the state folder knows. @throws SwarmError STORE_FAULT */
  async load(): Promise<void> {
    this.#membership = await this.#file.read();
    if (this.#membership !== undefined) await this.#members.load();
  }

  /** What the swarm's half starts with; `undefined` in open mode. */
  get key(): ClusterKey | undefined {
    return this.#membership && toKey(this.#membership);
  }

  /** Members that can be asked now. */
  get reachable(): readonly NodeId[] {
    return this.#isAmongMembers ? this.#deps.network.connected : [];
  }

  /** The same for all members, over changes of the key; `undefined` in open mode. */
  get id(): string | undefined {
    return this.#membership?.clusterId;
  }

  /** Whether a node is one of the cluster's, as far as this one has heard. */
  isMember(node: NodeId): boolean {
    return this.#membership !== undefined && this.#members.find(node) !== undefined;
  }

  /** The network is up: members are looked for where they were last. */
  started(): void {
    if (this.#membership === undefined) return;
    for (const { id, addresses } of this.#members.all) this.#deps.network.find(id, addresses);
    // Who came up while the network was starting.
    for (const id of this.reachable) this.peerUp(id);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#desk.close();
    await this.#members.save().catch(() => undefined);
  }

  async status(): Promise<ClusterStatus> {
    const { network, nowMs, self } = this.#deps;
    const id = await self();
    const membership = this.#membership;
    if (membership === undefined) return { mode: "open", self: id, members: [] };
    const { name, shareGated, generation } = membership;
    const connected = new Set(this.reachable);
    const ownName = { id, name: this.#ownName, addresses: network.addresses, isSelf: true, isConnected: true };
    const others = this.#members.all
      .filter((member) => member.id !== id)
      .map((member) => ({
        id: member.id,
        name: member.name,
        addresses: member.addresses,
        isSelf: false,
        isConnected: connected.has(member.id),
        lastSeen: new Date(connected.has(member.id) ? nowMs() : member.lastSeenMs).toISOString(),
      }));
    const view = this.#desk.view();
    return {
      mode: "cluster",
      name,
      shareGated,
      generation,
      self: id,
      members: [{ ...ownName, lastSeen: new Date(nowMs()).toISOString() }, ...others],
      ...(view === undefined ? {} : { invitation: toInvitationStatus(view) }),
    };
  }

  /** @throws SwarmError USAGE when this node is a member of a cluster already, STORE_FAULT */
  create({ name, shareGated, swarmKey, port }: ClusterCreateRequest): Promise<ClusterCreated> {
    return this.#inTurn(async () => {
      this.#refuseMembers();
      const key = swarmKey === undefined ? makeSwarmKey() : parseSwarmKey(swarmKey);
      await this.#become({
        clusterId: clusterIdOf(key),
        name: name ?? DEFAULT_NAME,
        shareGated: shareGated ?? "owners",
        generation: 1,
        swarmKey: key,
      });
      this.started();
      return {
        ...(await this.status()),
        ...(this.#options.hasPeers ? { invited: await this.#invite(port) } : {}),
      };
    });
  }

  /** Makes a code; an earlier one is void. @throws SwarmError USAGE in open mode */
  invite({ port }: ClusterInviteRequest): Promise<ClusterInvitation> {
    return this.#inTurn(async () => {
      this.#need();
      if (!this.#options.hasPeers) throw noPeers();
      return this.#invite(port);
    });
  }

  /** @throws SwarmError USAGE, ACCESS_DENIED for a wrong code, NO_SOURCE when nobody answers, PEER_*, STORE_FAULT */
  join({ code, at }: ClusterJoinRequest, { signal }: { readonly signal: AbortSignal }): Promise<ClusterStatus> {
    return this.#inTurn(async () => {
      const stop = AbortSignal.any([signal, this.#stopped.signal]);
      const own = await this.#self();
      const { grant, inviter, host } = await findInviter(
        { code: parsePairCode(code), at, self: own },
        { beacon: this.#deps.beacon, signal: stop },
      );
      const known = this.#membership;
      if (known !== undefined && known.clusterId !== grant.clusterId) this.#refuseMembers();
      await this.#become(grant);
      this.#noteAll(grant.members);
      this.#noteInviter(inviter, host);
      await this.#members.save();
      this.started();
      return this.status();
    });
  }

  /** Back to open mode. The key is deleted; the others are told. @throws SwarmError USAGE in open mode */
  leave(): Promise<ClusterLeft> {
    return this.#inTurn(async () => {
      const { name } = this.#need();
      await this.#desk.close();
      await Promise.all(this.reachable.map((id) => this.#tryAsk(id, { type: "leave" }, GOODBYE_MS)));
      this.#membership = undefined;
      await this.#file.remove();
      await this.#members.clear();
      await this.#deps.network.switchTo(undefined);
      return { name };
    });
  }

  /**
   * A new key for all members that are connected, but for one that is to be out. Who is not connected has the old one, and must join again.
   *
   * @throws SwarmError USAGE in open mode, or when nobody is called like that
   */
  rotate({ remove }: ClusterRotateRequest): Promise<ClusterRotated> {
    return this.#inTurn(async () => {
      const old = this.#need();
      const own = await this.#deps.self();
      const out = remove === undefined ? undefined : this.#resolveMember(remove, own);
      await this.#desk.close();
      const membership = { ...old, swarmKey: makeSwarmKey(), generation: old.generation + 1 };
      if (out !== undefined) this.#members.remove(out);
      const request = { type: "rotate", grant: await this.#grant(membership) } as const;
      const asked = this.reachable.filter((id) => id !== out);
      const reached = await Promise.all(asked.map((id) => this.#tryAsk(id, request, ASK_MS)));
      const kept = asked.filter((_, index) => reached[index] === true);
      const lost = this.#members.all.filter(({ id }) => id !== own && !kept.includes(id));
      this.#members.keep(new Set([own, ...kept]));
      await this.#become(membership);
      await this.#members.save();
      this.started();
      return {
        generation: membership.generation,
        ...(out === undefined ? {} : { removed: out }),
        members: kept,
        mustJoinAgain: lost.map(({ id, name }) => ({ id, name })),
      };
    });
  }

  /** The key itself, for other libp2p programs. @throws SwarmError USAGE in open mode */
  showKey(): { readonly swarmKey: string } {
    return { swarmKey: this.#need().swarmKey };
  }

  /** A peer that has the key is there: it is introduced, and introduces itself. */
  peerUp(id: NodeId): void {
    if (!this.#isAmongMembers) return;
    this.#members.seen(id, this.#deps.nowMs());
    void this.#introduce(id);
  }

  peerDown(id: NodeId): void {
    if (this.#membership === undefined || this.#members.find(id) === undefined) return;
    this.#members.seen(id, this.#deps.nowMs());
    void this.#save();
  }

  /** Answers a member. Never called in open mode. @throws SwarmError PEER_DENIED, PEER_LACKS: the member is told */
  async answer(from: NodeId, request: MemberRequest): Promise<MemberAnswer> {
    const membership = this.#membership;
    if (membership === undefined) throw new SwarmError("PEER_DENIED", "this node is in no cluster");
    if (!this.#isAmongMembers) throw new SwarmError("PEER_BUSY", "this node is just changing its cluster");
    switch (request.type) {
      case "introduce":
        this.#noteAll(request.members);
        await this.#save();
        return { response: { type: "introduce", members: await this.#everybody() } };
      case "rotate":
        return this.#takeKey(from, request.grant);
      case "leave":
        this.#members.remove(from);
        await this.#save();
        return { response: { type: "done" } };
      default:
        return { response: await answerFromShelf(request, membership.shareGated, this.#deps.shelf) };
    }
  }

  /** A new key of our cluster, from a member of it. It is written before the member hears that we have it, and used after. */
  async #takeKey(from: NodeId, grant: Grant): Promise<MemberAnswer> {
    const { clusterId, generation } = this.#need();
    // Both keys would be the next one: better that one of us is told to join again.
    if (this.#orders > 0) throw new SwarmError("PEER_BUSY", "this node is just changing its own cluster");
    if (grant.clusterId !== clusterId) throw new SwarmError("PEER_DENIED", "that is another cluster's key");
    if (grant.generation <= generation) throw new SwarmError("PEER_DENIED", "there is a newer key already");
    await this.#desk.close();
    const membership = toMembership(grant);
    await this.#file.write(membership);
    this.#membership = membership;
    this.#members.keep(new Set([from]));
    this.#noteAll(grant.members);
    await this.#save();
    this.#deps.logger.info({ from, generation: grant.generation }, "the cluster has a new key");
    const afterwards = () =>
      void this.#inTurn(async () => {
        await this.#deps.network.switchTo(toKey(membership));
        this.started();
      }).catch((err: unknown) => this.#deps.logger.error({ err }, "the new key can't be used"));
    return { response: { type: "done" }, afterwards };
  }

  async #become(grant: Membership): Promise<void> {
    const membership = toMembership(grant);
    await this.#file.write(membership);
    this.#membership = membership;
    await this.#deps.network.switchTo(toKey(membership));
  }

  async #invite(port: number | undefined): Promise<ClusterInvitation> {
    return this.#desk.open(port, await this.#deps.self(), this.#deps.network.addresses);
  }

  async #admitted(member: WireMember): Promise<void> {
    this.#deps.logger.info({ member: member.id, host: member.name }, "a node joined the cluster");
    this.#members.note({ ...member, silentMs: 0 }, this.#deps.nowMs());
    await this.#save();
    this.#deps.network.find(member.id, member.addresses);
  }

  async #introduce(id: NodeId): Promise<void> {
    try {
      const request = { type: "introduce", members: await this.#everybody() } as const;
      const response = await this.#deps.network.ask(id, request, { signal: this.#deadline(ASK_MS) });
      if (response.type !== "introduce") return;
      this.#noteAll(response.members);
      await this.#save();
    } catch (error) {
      this.#deps.logger.debug({ peer: id, why: (error as Error).message }, "a member could not be introduced");
    }
  }

  /** What is heard of members that are not connected is looked up where it is said they are. */
  #noteAll(members: readonly WireMember[]): void {
    const nowMs = this.#deps.nowMs();
    const connected = new Set(this.reachable);
    for (const member of members) {
      const isNew = this.#members.find(member.id) === undefined;
      this.#members.note(member, nowMs);
      if (isNew && !connected.has(member.id)) this.#deps.network.find(member.id, member.addresses);
    }
  }

  /** It was reached at this host: that is an address of it, whatever it said. */
  #noteInviter(id: NodeId, host: string): void {
    const known = this.#members.find(id);
    const port = known?.addresses[0]?.split("/").at(-1);
    if (known === undefined || port === undefined || host === "") return;
    const address = `/${host.includes(":") ? "ip6" : "ip4"}/${host}/tcp/${port}`;
    const addresses = [...new Set([address, ...known.addresses])];
    this.#members.note({ id, name: known.name, addresses, silentMs: 0 }, this.#deps.nowMs());
  }

  async #tryAsk(id: NodeId, request: MemberRequest, withinMs: number): Promise<boolean> {
    try {
      const { type } = await this.#deps.network.ask(id, request, { signal: this.#deadline(withinMs) });
      return type === "done";
    } catch (error) {
      this.#deps.logger.debug({ peer: id, why: (error as Error).message }, `a member did not take ${request.type}`);
      return false;
    }
  }

  /** By id, by the start of an id, or by host name. @throws SwarmError USAGE */
  #resolveMember(name: string, own: NodeId): NodeId {
    const found = this.#members.all.filter(({ id, name: host }) => id.startsWith(name) || host === name);
    const [only] = found;
    if (only?.id === own) {
      throw new SwarmError("USAGE", "that is this node itself", { hint: "It leaves with swarm cluster leave." });
    }
    if (only !== undefined && found.length === 1) return only.id;
    const what =
      found.length === 0 ? `no member is called ${JSON.stringify(name)}` : `${name} could be several members`;
    throw new SwarmError("USAGE", what, { hint: "swarm cluster members shows ids and names." });
  }

  async #grant(membership: Membership): Promise<Grant> {
    return { ...membership, members: (await this.#everybody()).slice(0, GRANT_MEMBERS_MAX) };
  }

  /** This node first. */
  async #everybody(): Promise<WireMember[]> {
    const own = await this.#self();
    const connected = new Set(this.reachable);
    const others = this.#members
      .toWire(this.#deps.nowMs())
      .filter(({ id }) => id !== own.id)
      .map((member) => (connected.has(member.id) ? { ...member, silentMs: 0 } : member))
      .sort((a, b) => a.silentMs - b.silentMs);
    return [own, ...others];
  }

  async #self(): Promise<WireMember> {
    const { self, network } = this.#deps;
    return { id: await self(), name: this.#ownName, addresses: network.addresses, silentMs: 0 };
  }

  get #ownName(): string {
    return this.#options.hostName.replace(/[^\x20-\x7e]/g, "?").slice(0, MEMBER_NAME_LENGTH_MAX);
  }

  /** Between two keys the network still has the peers of the one before: strangers, or somebody who was removed. */
  get #isAmongMembers(): boolean {
    return this.#membership !== undefined && this.#deps.network.runsWith === publicNameOf(this.#membership.swarmKey);
  }

  #need(): Membership {
    if (this.#membership !== undefined) return this.#membership;
    throw new SwarmError("USAGE", "this node is in no cluster", {
      hint: "Make one with swarm cluster create, or join one with swarm cluster join CODE.",
    });
  }

  #refuseMembers(): void {
    if (this.#membership === undefined) return;
    throw new SwarmError("USAGE", `this node is a member of the cluster ${this.#membership.name} already`, {
      hint: "Leave it first: swarm cluster leave.",
    });
  }

  #save(): Promise<void> {
    return this.#members
      .save()
      .catch((err: unknown) => this.#deps.logger.warn({ err }, "the list of members can't be kept"));
  }

  #deadline(ms: number): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(ms)]);
  }

  #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    this.#orders += 1;
    const turn = this.#turn.then(work, work).finally(() => {
      this.#orders -= 1;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function toKey({ swarmKey, shareGated }: Membership): ClusterKey {
  return { swarmKey: new TextEncoder().encode(swarmKey), publicName: publicNameOf(swarmKey), shareGated };
}

function toMembership({ clusterId, name, shareGated, generation, swarmKey }: Membership): Membership {
  return { clusterId, name, shareGated, generation, swarmKey };
}

function toInvitationStatus({ expiresInMs, triesLeft, port }: DeskView) {
  return { expiresInMs, triesLeft, port };
}

function noPeers(): SwarmError {
  return new SwarmError("USAGE", "this node goes without peers, so nobody can be invited", {
    hint: "Start a daemon with swarmd start (without --no-peer); then make a code.",
  });
}
