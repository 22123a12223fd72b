import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type NodeId, parseNodeId } from "@swarmd/protocol";
import type { MemberRequest, MemberResponse } from "@swarmd/protocol/wire";
import { createSilentLogger } from "../observe/logger.js";
import { Cluster } from "./cluster.js";
import type { ClusterKey, ClusterNetwork } from "./ports.js";

const SELF = parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1");
const OTHER = parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q2");

/** A network that changes its key when the test lets it. */
class SlowNetwork implements ClusterNetwork {
  runsWith: string | undefined;
  connected: readonly NodeId[] = [];
  readonly addresses: readonly string[] = [];
  readonly asked: string[] = [];
  mayChange: Promise<void> = Promise.resolve();
  isChanging: () => void = () => undefined;

  async switchTo(key: ClusterKey | undefined): Promise<void> {
    this.isChanging();
    await this.mayChange;
    this.connected = [];
    this.runsWith = key?.publicName;
  }

  find(): void {}

  async ask(member: NodeId, { type }: MemberRequest): Promise<MemberResponse> {
    this.asked.push(`${type} ${member}`);
    return type === "introduce" ? { type, members: [] } : { type: "done" };
  }
}

describe("a cluster whose network is still among others", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-cluster-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const clusterOn = (network: ClusterNetwork, name: string) => {
    const stateDir = join(folder, name);
    mkdirSync(stateDir);
    return new Cluster(
      { stateDir, hostName: "rack-1", hasPeers: true },
      {
        network,
        beacon: { announce: async () => async () => undefined, look: async function* () {} },
        shelf: { resolve: async () => undefined, isPrivate: async () => true, files: async () => undefined },
        self: async () => SELF,
        nowMs: () => 0,
        logger: createSilentLogger(),
      },
    );
  };

  /** Begins an order, and stops in the middle of the change of keys. */
  async function halfway<Value>(network: SlowNetwork, order: () => Promise<Value>) {
    let goOn: () => void = () => undefined;
    network.mayChange = new Promise((resolve) => {
      goOn = resolve;
    });
    const isChanging = new Promise<void>((resolve) => {
      network.isChanging = resolve;
    });
    const done = order();
    await isChanging;
    return async () => {
      goOn();
      return await done;
    };
  }

  it("takes strangers of open mode for no members: they are not introduced, listed, asked or answered", async () => {
    const network = new SlowNetwork();
    network.connected = [OTHER];
    const cluster = clusterOn(network, "create");
    const goOn = await halfway(network, () => cluster.create({ port: 0 }));
    cluster.peerUp(OTHER);
    assert.deepEqual([cluster.reachable, network.asked], [[], []]);
    await assert.rejects(cluster.answer(OTHER, { type: "introduce", members: [] }), { code: "PEER_BUSY" });
    const { members } = await goOn();
    assert.deepEqual(
      members.map(({ id }) => id),
      [SELF],
    );
    // The same node with the key is one.
    network.connected = [OTHER];
    cluster.peerUp(OTHER);
    assert.deepEqual([cluster.reachable, (await cluster.status()).members.length], [[OTHER], 2]);
    await cluster.stop();
  });

  it("has done with a member from the moment it is removed", async () => {
    const network = new SlowNetwork();
    const cluster = clusterOn(network, "remove");
    await cluster.create({ port: 0 });
    network.connected = [OTHER];
    cluster.peerUp(OTHER);
    const goOn = await halfway(network, () => cluster.rotate({ remove: OTHER }));
    network.asked.length = 0;
    cluster.peerUp(OTHER);
    await assert.rejects(cluster.answer(OTHER, { type: "introduce", members: [] }), { code: "PEER_BUSY" });
    assert.equal((await goOn()).removed, OTHER);
    assert.deepEqual([network.asked, (await cluster.status()).members.length], [[], 1]);
    await cluster.stop();
  });

  it("introduces itself to those who came up while its network started", async () => {
    const network = new SlowNetwork();
    const cluster = clusterOn(network, "start");
    await cluster.create({ port: 0 });
    network.connected = [OTHER];
    cluster.started();
    await cluster.stop();
    assert.deepEqual(network.asked, [`introduce ${OTHER}`]);
  });
});
