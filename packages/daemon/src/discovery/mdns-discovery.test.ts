import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { ComponentLogger, PeerInfo } from "@libp2p/interface";
import type { MulticastDNSComponents } from "@libp2p/mdns";
import { multiaddr } from "@multiformats/multiaddr";
import { serviceTag } from "@swarmd/protocol/wire";
import { type DecodedPacket, decode, encode, type Packet } from "dns-packet";
import { MDNS_DEFAULTS, MdnsDiscovery, type MdnsOptions } from "./mdns-discovery.js";

/** Nothing here leaves the loopback. */
const LOOPBACK = "127.0.0.1";
const GROUP = "224.0.0.251";
const ANNA = "12D3KooWFMb4F7emGQK8kKpycYL4gWBLNbmwMYa3C4oLvrDebNbf";
const BERT = "12D3KooWNcawqpw9mJiv3nobK2xokspxEfwXPDfDmMCkYX7TPetv";
const CARL = "12D3KooWJRPkUnZutoA9tKyYmEUaeNVYxqfkWki3HqgzChym5Voa";
const TAG = serviceTag("test");
const NEVER_MS = 1_000_000;

const quiet = Object.assign(() => undefined, { enabled: false, trace: () => undefined, error: () => undefined });
const logger = { forComponent: () => quiet } as unknown as ComponentLogger;

interface Node {
  readonly discovery: MdnsDiscovery;
  readonly found: PeerInfo[];
}

/** What is said on the wire, and a way to say anything. */
interface Observer {
  readonly heard: DecodedPacket[];
  say(packet: Packet | Buffer): void;
  until(accept: () => boolean): Promise<void>;
}

describe("finding peers by multicast", { timeout: 30_000 }, () => {
  let port: number;
  let socket: Socket;
  let observer: Observer;
  let ends: (() => Promise<void>)[];
  let wake: () => void;

  beforeEach(async () => {
    ends = [];
    wake = () => undefined;
    socket = createSocket({ type: "udp4", reuseAddr: true });
    await new Promise<void>((resolve) => socket.bind(0, resolve));
    port = socket.address().port;
    socket.addMembership(GROUP, LOOPBACK);
    socket.setMulticastInterface(LOOPBACK);
    const heard: DecodedPacket[] = [];
    socket.on("message", (datagram) => {
      try {
        heard.push(decode(datagram));
      } catch {
        // Its own garbage.
      }
      wake();
    });
    observer = {
      heard,
      say: (packet) => socket.send(Buffer.isBuffer(packet) ? packet : encode(packet), port, GROUP),
      until: async (accept) => {
        while (!accept()) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      },
    };
  });

  afterEach(async () => {
    for (const end of ends) await end();
    await new Promise<void>((resolve) => socket.close(resolve));
  });

  async function start(id: string, more: Partial<MdnsOptions> = {}): Promise<Node> {
    const options = {
      ...MDNS_DEFAULTS,
      cluster: "test",
      port,
      askAtMs: [0],
      intervalMs: NEVER_MS,
      answerGapMs: 0,
      ...more,
    };
    const addressManager = { getAddresses: () => [multiaddr(`/ip4/10.0.0.1/tcp/7482/p2p/${id}`)] };
    const components = { addressManager, logger } as unknown as MulticastDNSComponents;
    const discovery = new MdnsDiscovery(options, { components, hosts: () => [LOOPBACK] });
    const found: PeerInfo[] = [];
    discovery.addEventListener("peer", ({ detail }) => {
      found.push(detail);
      wake();
    });
    await discovery.start();
    ends.push(() => discovery.stop());
    discovery.begin();
    return { discovery, found };
  }

  const has = ({ found }: Node, id: string) => found.some((peer) => peer.id.toString() === id);
  const answer = (instance: string, id: string): Packet => ({
    type: "response",
    answers: [
      { name: TAG, type: "PTR", class: "IN", ttl: 120, data: `${instance}.${TAG}` },
      {
        name: `${instance}.${TAG}`,
        type: "TXT",
        class: "IN",
        ttl: 120,
        data: `dnsaddr=/ip4/10.0.0.3/tcp/7482/p2p/${id}`,
      },
    ],
  });
  /** The instances that questions named as known. */
  const named = () =>
    observer.heard.flatMap(({ type, answers = [] }) =>
      type === "query" ? answers.flatMap((one) => (one.type === "PTR" ? [one.data] : [])) : [],
    );

  it("nodes find each other, with their addresses, and not themselves", async () => {
    const anna = await start(ANNA);
    const bert = await start(BERT);
    await observer.until(() => has(anna, BERT) && has(bert, ANNA));
    assert.ok(!has(anna, ANNA));
    assert.deepEqual(anna.found[0]?.multiaddrs.map(String), ["/ip4/10.0.0.1/tcp/7482"]);
  });

  it("other clusters are left alone", async () => {
    await start(ANNA, { cluster: "other" });
    const bert = await start(BERT);
    const carl = await start(CARL);
    await observer.until(() => has(bert, CARL) && has(carl, BERT));
    assert.ok(!has(bert, ANNA));
  });

  it("names those who need not answer, until they are looked for", async () => {
    const anna = await start(ANNA, { askAtMs: [] });
    observer.say(answer("carl", CARL));
    await observer.until(() => has(anna, CARL));
    anna.discovery.seek([BERT]);
    await observer.until(() => named().includes(`carl.${TAG}`));
    const before = named().length;
    const questions = observer.heard.filter(({ type }) => type === "query").length;
    anna.discovery.seek([CARL]);
    await observer.until(() => observer.heard.filter(({ type }) => type === "query").length > questions);
    assert.equal(named().length, before);
  });

  it("answers once to many who ask at the same time", async () => {
    const anna = await start(ANNA, { askAtMs: [], answerGapMs: 300 });
    const answers = () => observer.heard.filter(({ type }) => type === "response").length;
    await observer.until(() => answers() === 1);
    const question: Packet = { type: "query", questions: [{ name: TAG, type: "PTR" }] };
    for (let times = 0; times < 20; times += 1) observer.say(question);
    await observer.until(() => answers() >= 2);
    // What else it has to say leaves first, and is heard before this.
    await anna.discovery.stop();
    observer.say({ type: "query", questions: [{ name: "the end", type: "PTR" }] });
    await observer.until(() => observer.heard.some(({ questions = [] }) => questions[0]?.name === "the end"));
    assert.equal(answers(), 2);
  });

  it("says where it is again when interfaces change, and asks", async () => {
    const anna = await start(ANNA);
    await observer.until(() => observer.heard.length >= 2);
    observer.heard.length = 0;
    await anna.discovery.refresh();
    await observer.until(() => new Set(observer.heard.map(({ type }) => type)).size === 2);
  });

  for (const { id, packet } of [
    { id: "garbage", packet: Buffer.from("_swarmd-test, but not DNS at all") },
    { id: "a name that fits into no question", packet: answer("x".repeat(200), CARL) },
    { id: "a name of several labels", packet: answer("a.b.c", CARL) },
    {
      id: "an answer without addresses",
      packet: { ...answer("carl", CARL), answers: answer("carl", CARL).answers?.slice(0, 1) },
    },
    { id: "an address that is none", packet: answer("carl", "nobody") },
  ] as { id: string; packet: Packet | Buffer }[]) {
    it(`goes on after ${id}`, async () => {
      const anna = await start(ANNA);
      observer.say(packet);
      const bert = await start(BERT);
      await observer.until(() => has(anna, BERT) && has(bert, ANNA));
      assert.ok(!has(anna, CARL));
      assert.ok(named().every((instance) => !instance.startsWith("x") && !instance.startsWith("a.")));
    });
  }
});
