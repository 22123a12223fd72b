/** Peers that are joined by a cable which is not the one of the default route. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Lan } from "./lan.js";
import type { HostProcess, LanHost } from "./lan-host.js";
import { findObstacle } from "./namespaces.js";

const PROBE = fileURLToPath(new URL("./p2p-probe.js", import.meta.url));
const START_MS = 30_000;
/** The product promises a second, which is printed. */
const KNOWN_AT_LAST_MS = 8_000;
const FAST = "thunderbolt0";

interface Probe {
  readonly process: HostProcess;
  readonly id: string;
  readonly startedMs: number;
}

const obstacle = findObstacle();
if (obstacle !== undefined) console.error(`SKIPPED, no second cable is tested: ${obstacle}`);

describe("hosts on two cables, the default route by the first", { skip: obstacle ?? false, timeout: 120_000 }, () => {
  let lan: Lan;
  let folder: string;
  let first: Probe;
  let second: Probe;
  let third: Probe;

  async function start(host: LanHost): Promise<Probe> {
    const process = host.node(PROBE, [join(folder, host.name), "lan"]);
    const { id, atMs } = JSON.parse(await process.line((line) => line.includes('"started"'), START_MS));
    return { process, id, startedMs: atMs };
  }

  /** When `seer` was told, from then on, of `seen` and over which links. */
  async function up(seer: Probe, seen: Probe, sinceMs: number, link: RegExp): Promise<number> {
    const line = await seer.process.line((text) => {
      const { type, peer, atMs, routes } = JSON.parse(text);
      return type === "up" && peer === seen.id && atMs >= sinceMs && link.test(routes[0]);
    }, KNOWN_AT_LAST_MS);
    return JSON.parse(line).atMs;
  }

  async function bothUp(one: Probe, other: Probe, sinceMs: number): Promise<number> {
    const seen = await Promise.all([up(one, other, sinceMs, /^10\.78\./), up(other, one, sinceMs, /^10\.78\./)]);
    return Math.max(...seen);
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "swlan-"));
    lan = Lan.create({ hosts: 3, fastHosts: 3 });
    // It has the second cable alone.
    lan.hosts[2]?.cut("eth0");
    first = await start(lan.hosts[0] as LanHost);
    second = await start(lan.hosts[1] as LanHost);
  });

  after(() => {
    lan?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("find each other", async (t) => {
    const metMs = await bothUp(first, second, 0);
    t.diagnostic(`known to each other after ${metMs - second.startedMs} ms`);
  });

  it("find one that comes up on the second cable alone", async (t) => {
    third = await start(lan.hosts[2] as LanHost);
    const metMs = Math.max(await bothUp(first, third, 0), await bothUp(second, third, 0));
    t.diagnostic(`known to each other after ${metMs - third.startedMs} ms`);
  });

  it("find one that starts when the first cable is cut", async (t) => {
    lan.hosts[0]?.cut("eth0");
    second.process.child.stdin?.write("stop\n");
    await second.process.ended;
    second = await start(lan.hosts[1] as LanHost);
    const metMs = await bothUp(first, second, second.startedMs - START_MS);
    t.diagnostic(`known to each other after ${metMs - second.startedMs} ms`);
  });

  it("find one whose second cable is plugged in later", async (t) => {
    const host = lan.hosts[2] as LanHost;
    third.process.child.stdin?.write("stop\n");
    await third.process.ended;
    host.cut(FAST);
    third = await start(host);
    const pluggedMs = Date.now();
    host.restore(FAST);
    const metMs = Math.max(await bothUp(first, third, pluggedMs), await bothUp(second, third, pluggedMs));
    t.diagnostic(`known to each other after ${metMs - pluggedMs} ms`);
    assert.ok(metMs >= pluggedMs);
  });
});
