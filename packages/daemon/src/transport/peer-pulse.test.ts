import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { type NodeId, parseNodeId } from "@swarmd/protocol";
import { PeerPulse } from "./peer-pulse.js";

const ANNA = parseNodeId("12D3KooWanna");
const BERT = parseNodeId("12D3KooWbert");

describe("the pulse of peers", () => {
  let nowMs: number;
  let cut: string[];
  let asked: { readonly connection: string; readonly answer: (isThere: boolean) => void }[];
  let connections: { readonly peer: NodeId; readonly connection: string }[];
  let pulse: PeerPulse<string>;

  beforeEach(() => {
    nowMs = 0;
    [cut, asked] = [[], []];
    connections = [
      { peer: ANNA, connection: "to anna" },
      { peer: BERT, connection: "to bert" },
    ];
    pulse = new PeerPulse(
      { lookMs: 1_000, quietMs: 10_000, quietPerPeerMs: 300 },
      {
        connections: () => connections,
        answers: (connection) => new Promise((answer) => asked.push({ connection, answer })),
        cut: (connection) => cut.push(connection),
        nowMs: () => nowMs,
      },
    );
    pulse.heard(ANNA);
    pulse.heard(BERT);
  });

  async function lookAt(ms: number): Promise<readonly string[]> {
    nowMs = ms;
    pulse.look();
    return asked.map(({ connection }) => connection);
  }

  it("asks only who has been quiet", async () => {
    assert.deepEqual(await lookAt(9_999), []);
    pulse.heard(ANNA);
    assert.deepEqual(await lookAt(10_000), ["to bert"]);
  });

  it("asks each connection once at a time, and leaves who answers alone for as long again", async () => {
    connections.shift();
    await lookAt(10_000);
    assert.deepEqual(await lookAt(11_000), ["to bert"]);
    asked[0]?.answer(true);
    await new Promise(setImmediate);
    assert.equal((await lookAt(20_999)).length, 1);
    assert.equal((await lookAt(21_000)).length, 2);
    assert.deepEqual(cut, []);
  });

  it("cuts a connection where nothing answers, and no other of the same peer", async () => {
    connections.push({ peer: BERT, connection: "to bert, by cable" });
    await lookAt(10_000);
    asked.find(({ connection }) => connection === "to bert")?.answer(false);
    asked.find(({ connection }) => connection === "to bert, by cable")?.answer(true);
    await new Promise(setImmediate);
    assert.deepEqual(cut, ["to bert"]);
  });

  it("with many peers, each is asked less often", async () => {
    for (let index = 0; index < 98; index += 1) pulse.heard(parseNodeId(`12D3KooWpeer${index}`));
    assert.deepEqual(await lookAt(29_999), []);
    assert.equal((await lookAt(30_000)).length, 2);
  });
});
