import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createSilentLogger, hostNode, loadConfig, type NodeConfig, type StartNode } from "@swarmd/daemon";
import { MemoryNode } from "../support/memory-node.js";

let root: string;
let config: NodeConfig;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "swarmd-host-"));
  config = loadConfig({ flags: { stateDir: join(root, "state") }, env: { HOME: root }, readFile: () => undefined });
});

afterEach(() => rm(root, { recursive: true, force: true }));

function host(startNode: StartNode = async () => new MemoryNode()) {
  return hostNode(config, { command: "swarm pull" }, { startNode, logger: createSilentLogger() });
}

describe("hostNode", () => {
  it("makes the state folder for its owner only", async () => {
    const node = await host();
    assert.equal((await stat(config.stateDir)).mode & 0o777, 0o700);
    await node.stop();
  });

  it("leaves nothing running and nothing locked, however often it is stopped", async () => {
    const node = await host();
    await Promise.all([node.stop(), node.stop()]);
    await node.stop();
    assert.deepEqual(await readdir(config.stateDir), []);
  });

  it("refuses a second node on the same folder", async () => {
    const node = await host();
    await assert.rejects(host(), { code: "STATE_IN_USE" });
    assert.ok(existsSync(node.socketPath));
    await node.stop();
  });

  it("unwinds a start that fails", async () => {
    await assert.rejects(
      host(async () => {
        throw new Error("no");
      }),
      /no/,
    );
    assert.deepEqual(await readdir(config.stateDir), []);
    await (await host()).stop();
  });

  it("stops the rest when one part fails to stop", async () => {
    const node = new MemoryNode();
    node.stop = async () => {
      throw new Error("stuck");
    };
    await (await host(async () => node)).stop();
    await (await host()).stop();
  });
});
