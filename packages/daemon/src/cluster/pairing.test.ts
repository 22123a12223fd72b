import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { parseNodeId, SwarmError } from "@swarmd/protocol";
import { type Grant, PAIR_FRAME_BYTES_MAX, type WireMember } from "@swarmd/protocol/wire";
import { createSilentLogger } from "../observe/logger.js";
import { findInviter } from "./find-inviter.js";
import { INVITATION_MS, Invitation } from "./invitation.js";
import { type PairCode, parsePairCode } from "./pair-code.js";
import { joinAt } from "./pair-join.js";
import { PairListener, type PairListenerOptions } from "./pair-listener.js";
import { makeSwarmKey } from "./swarm-key.js";

const INVITER = parseNodeId("inviter");
const JOINER: WireMember = { id: parseNodeId("joiner"), name: "rack-2", addresses: [], silentMs: 0 };
const CODE = parsePairCode("K7QM-3XW9");
const WRONG = parsePairCode("K7QM-3XW8");
const GRANT: Grant = {
  swarmKey: makeSwarmKey(),
  name: "lab",
  shareGated: "owners",
  generation: 1,
  clusterId: "a".repeat(32),
  members: [{ id: INVITER, name: "rack-1", addresses: ["/ip4/127.0.0.1/tcp/1"], silentMs: 0 }],
};
const signal = AbortSignal.timeout(60_000);
const CLOSED_MS = 5_000;

interface Relayed {
  readonly port: number;
  readonly seen: Buffer[];
}

describe("pairing", { timeout: 60_000 }, () => {
  const closing: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function invite(more: Partial<PairListenerOptions> = {}, code: PairCode = CODE) {
    let nowMs = 0;
    const admitted: WireMember[] = [];
    let voided = 0;
    const invitation = new Invitation(code, 0);
    const listener = new PairListener(
      { port: 0, self: INVITER, ...more },
      {
        invitation,
        grant: async () => GRANT,
        onAdmitted: (member) => admitted.push(member),
        onVoid: () => {
          voided += 1;
        },
        nowMs: () => nowMs,
        logger: createSilentLogger(),
      },
    );
    const port = await listener.start();
    closing.push(() => listener.stop());
    const pass = (ms: number) => {
      nowMs += ms;
    };
    return { port, admitted, invitation, voided: () => voided, pass };
  }

  const join = (port: number, code: PairCode = CODE) => joinAt({ host: "127.0.0.1", port }, code, JOINER, { signal });

  const fails = (work: Promise<unknown>, code: string, text = /./) =>
    assert.rejects(work, (error) => error instanceof SwarmError && error.code === code && text.test(error.message));

  /** A TCP proxy that keeps what passes, and may change it. */
  async function relay(port: number, change = (chunk: Buffer, _toInviter: boolean) => chunk): Promise<Relayed> {
    const seen: Buffer[] = [];
    const sockets = new Set<Socket>();
    const server: Server = createServer((near) => {
      const far = connect({ host: "127.0.0.1", port });
      for (const [from, to, toInviter] of [
        [near, far, true],
        [far, near, false],
      ] as const) {
        sockets.add(from);
        from.on("data", (chunk: Buffer) => {
          seen.push(chunk);
          to.write(change(chunk, toInviter));
        });
        from.on("error", () => undefined);
        from.on("close", () => to.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { port: (server.address() as { port: number }).port, seen };
  }

  it("hands the key to who knows the code, however often, and each learns who the other is", async () => {
    const { port, admitted, invitation } = await invite();
    for (let count = 0; count < 4; count += 1) {
      const { grant, inviter } = await join(port);
      assert.deepEqual(grant, GRANT);
      assert.equal(inviter, INVITER);
    }
    assert.deepEqual(admitted, Array(4).fill(JOINER));
    assert.equal(invitation.triesLeft, 3);
  });

  it("a wrong guess costs a try, the third voids the code, and then the right one is wrong too", async () => {
    const { port, admitted, voided } = await invite();
    await fails(join(port, WRONG), "ACCESS_DENIED", /2 tries are left/);
    await fails(join(port, WRONG), "ACCESS_DENIED", /1 try is left/);
    await join(port);
    await fails(join(port, WRONG), "ACCESS_DENIED", /last try/);
    await fails(join(port), "ACCESS_DENIED", /void/);
    assert.deepEqual([admitted.length, voided()], [1, 1]);
  });

  it("is over after ten minutes", async () => {
    const { port, pass } = await invite();
    pass(INVITATION_MS - 1);
    await join(port);
    pass(1);
    await fails(join(port), "ACCESS_DENIED", /void/);
  });

  it("a code of another invitation costs no try", async () => {
    const { port, invitation } = await invite();
    await fails(join(port, parsePairCode("AAQM-3XW9")), "PEER_LACKS");
    assert.equal(invitation.triesLeft, 3);
  });

  it("who listens on the line sees neither code nor key nor name", async () => {
    const { port } = await invite();
    const proxy = await relay(port);
    await join(proxy.port);
    const all = Buffer.concat(proxy.seen);
    assert.ok(all.includes(JOINER.id) && all.includes(INVITER), "the capture sees what is no secret");
    const hex = GRANT.swarmKey.slice(-64);
    for (const secret of [CODE.secret, CODE.text, hex, Buffer.from(hex, "hex"), GRANT.name, JOINER.name, "rack-1"]) {
      assert.equal(all.indexOf(secret), -1);
    }
  });

  for (const { who, from, to } of [
    { who: "the joiner for itself", from: "joiner", to: "jailer" },
    { who: "the inviter for itself", from: "inviter", to: "invader" },
  ]) {
    it(`who stands in between and gives out ${who} gets nothing, and it costs a try`, async () => {
      const { port, admitted, invitation } = await invite();
      const replace = (chunk: Buffer) => Buffer.from(chunk.toString("latin1").replaceAll(from, to), "latin1");
      const proxy = await relay(port, replace);
      await fails(join(proxy.port), "ACCESS_DENIED");
      // The inviter hears of the end a moment later.
      await join(port);
      assert.equal(admitted.length, 1);
      assert.equal(invitation.triesLeft, 2);
    });
  }

  it("who answers in place of the inviter gets one guess, whatever addresses it claims", async () => {
    const real = await invite();
    const fake = await invite({}, WRONG);
    const beacon = {
      announce: async () => async () => undefined,
      look: async function* () {
        for (const port of [fake.port, real.port]) yield { host: "127.0.0.1", port };
      },
    };
    await fails(findInviter({ code: CODE, at: undefined, self: JOINER }, { beacon, signal }), "ACCESS_DENIED");
    assert.deepEqual([fake.admitted.length, real.admitted.length, real.invitation.triesLeft], [0, 0, 3]);
  });

  it("who changes any message in between gets nothing", async () => {
    const { port, admitted } = await invite();
    let toInviterCount = 0;
    const proxy = await relay(port, (chunk, toInviter) => {
      // Hello, then the proof.
      if (!toInviter || ++toInviterCount !== 2) return chunk;
      const changed = Buffer.from(chunk);
      changed[40] = (changed[40] as number) ^ 1;
      return changed;
    });
    await assert.rejects(join(proxy.port));
    assert.equal(admitted.length, 0);
  });

  it("garbage, oversize and silence are cut off and cost no try", async () => {
    const { port, invitation } = await invite({ helloMs: 100 });
    const tooLong = Buffer.alloc(2);
    tooLong.writeUInt16BE(PAIR_FRAME_BYTES_MAX + 1);
    for (const bytes of [
      Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      tooLong,
      randomBytes(100_000),
      Buffer.from([0, 0]),
      Buffer.from([0, 4, 1, 2, 3, 4]),
      Buffer.from([0]),
      Buffer.alloc(0),
    ]) {
      await new Promise<void>((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port });
        const timer = setTimeout(() => reject(new Error(`not cut off after ${bytes.length} bytes`)), CLOSED_MS);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          clearTimeout(timer);
          resolve();
        });
        socket.write(bytes);
      });
    }
    assert.equal(invitation.triesLeft, 3);
    await join(port);
  });

  it("who takes a challenge and says nothing more has had its try", async () => {
    const { port, invitation } = await invite({ talkMs: 300 });
    let toInviterCount = 0;
    const proxy = await relay(port, (chunk, toInviter) =>
      toInviter && ++toInviterCount === 2 ? Buffer.alloc(0) : chunk,
    );
    await assert.rejects(join(proxy.port));
    assert.equal(invitation.triesLeft, 2);
  });

  it("three tries at once are no four", async () => {
    const { port, admitted } = await invite();
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => join(port, WRONG)));
    const wrong = results.filter((one) => one.status === "rejected" && /code is wrong/.test(String(one.reason)));
    assert.ok(wrong.length <= 3, `${wrong.length} guesses were answered`);
    assert.equal(admitted.length, 0);
  });
});

describe("a code", () => {
  it("is read however it is typed", () => {
    for (const text of ["k7qm-3xw9", "K7QM3XW9", " K7 QM 3X W9 ", "k7qm--3xw9"]) {
      assert.equal(parsePairCode(text).text, "K7QM-3XW9");
    }
    assert.equal(parsePairCode("oil0-1234").text, "0110-1234");
  });

  it("is refused when it can't be one", () => {
    for (const text of ["", "K7QM-3XW", "K7QM-3XW99", "K7QM-3XWU", "K7QM-3XW!"]) {
      assert.throws(() => parsePairCode(text), SwarmError);
    }
  });
});
