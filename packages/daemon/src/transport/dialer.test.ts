import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { multiaddr } from "@multiformats/multiaddr";
import { type NodeId, parseNodeId } from "@swarmd/protocol";
import { createSilentLogger } from "../observe/logger.js";
import { DIALER_OPTIONS, Dialer, type DialerOptions } from "./dialer.js";

const ANNA = parseNodeId("12D3KooWanna");
const HERE = multiaddr("/ip4/10.0.0.1/tcp/7482");
const FAR = multiaddr("/ip4/203.0.113.1/tcp/7482");
const NEVER_MS = 1_000_000;

interface Dial {
  readonly address: string;
  readonly signal: AbortSignal;
  readonly answer: (peer: NodeId) => void;
  readonly fail: () => void;
}

describe("the dialer", () => {
  let dials: Dial[];
  let connected: Set<NodeId>;
  let wake: () => void;
  let dialer: Dialer | undefined;

  beforeEach(() => {
    dials = [];
    connected = new Set();
    wake = () => undefined;
  });
  afterEach(() => dialer?.stop());

  function make(options: Partial<DialerOptions> = {}): Dialer {
    dialer = new Dialer(
      { ...DIALER_OPTIONS, ...options },
      {
        dial: (address, { signal }) =>
          new Promise((answer, reject) => {
            const fail = () => reject(new Error("no answer"));
            signal.addEventListener("abort", fail);
            dials.push({ address: address.toString(), signal, answer, fail });
            wake();
          }),
        isConnected: (peer) => connected.has(peer),
        sort: (addresses) => addresses,
        isNear: (address) => address.equals(HERE),
        logger: createSilentLogger(),
      },
    );
    return dialer;
  }

  /** The nth dial, when it has come. */
  async function dial(nth: number): Promise<Dial> {
    while (dials.length < nth) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return dials[nth - 1] as Dial;
  }

  it("dials who was found, and not who is connected", async () => {
    const some = make();
    some.found(ANNA, [HERE], 0);
    const first = await dial(1);
    connected.add(ANNA);
    first.answer(ANNA);
    some.found(ANNA, [HERE], 0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(dials.length, 1);
  });

  it("dials anew who is found again while the first dial hangs", async () => {
    const some = make({ staleDialMs: -1, firstWaitMs: NEVER_MS, maxWaitMs: NEVER_MS, maxNearWaitMs: NEVER_MS });
    some.found(ANNA, [FAR], 0);
    const first = await dial(1);
    some.found(ANNA, [HERE], 0);
    const second = await dial(2);
    assert.ok(first.signal.aborted);
    assert.equal(second.address, HERE.toString());
  });

  it("lets a dial that has only just begun go on", async () => {
    const some = make({ staleDialMs: NEVER_MS });
    some.found(ANNA, [HERE], 0);
    const first = await dial(1);
    some.found(ANNA, [HERE], 0);
    assert.ok(!first.signal.aborted);
  });

  it("waits less for who is on a LAN of ours", async () => {
    const some = make({ firstWaitMs: NEVER_MS, maxWaitMs: NEVER_MS, maxNearWaitMs: 1 });
    some.found(ANNA, [HERE], 0);
    for (const nth of [1, 2, 3]) (await dial(nth)).fail();
    assert.equal((await dial(4)).address, HERE.toString());
  });

  it("knows who was found and does not answer, until it does or says goodbye", async () => {
    const some = make({ firstWaitMs: NEVER_MS, maxWaitMs: NEVER_MS, maxNearWaitMs: 1 });
    // Who was named is not looked for: it is where the user says, or nowhere.
    some.name(FAR);
    (await dial(1)).fail();
    some.found(ANNA, [HERE], 0);
    const first = await dial(2);
    assert.deepEqual(some.lostPeers, []);
    first.fail();
    await dial(3);
    assert.deepEqual(some.lostPeers, [ANNA]);
    connected.add(ANNA);
    assert.deepEqual(some.lostPeers, []);
    connected.delete(ANNA);
    some.forget(ANNA);
    assert.deepEqual(some.lostPeers, []);
  });
});
