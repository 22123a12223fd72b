/** Daemons in each other's way say so, and what to do; one without peers is not there for anybody. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

interface Failed {
  readonly exitCode: number;
  readonly stderr: string;
}

interface Result {
  readonly peerless: { readonly listening: readonly number[]; readonly peers: string };
  readonly defaults: readonly boolean[];
  readonly sameFolder: Failed;
  readonly samePorts: Failed;
  readonly sameP2pPort: Failed;
  readonly listening: readonly number[];
  readonly foreign: Failed;
}

describe("swarmd start", {
  skip: MAY_MAKE_NAMESPACES ? false : "needs root on Linux, to make a network namespace",
}, () => {
  let result: Result;
  before(async () => {
    result = await runInNamespace<Result>(fileURLToPath(new URL("./start-run.js", import.meta.url)));
  });

  it("with --no-peer listens nowhere and finds nobody", () => {
    assert.deepEqual(result.peerless, { listening: [], peers: "no peers\n" });
  });

  it("refuses a state folder that another daemon uses, and names that one", () => {
    const { exitCode, stderr } = result.sameFolder;
    assert.equal(exitCode, 1);
    assert.match(stderr, /swarmd start \(process \d+\) already uses the state folder/);
    assert.match(stderr, /--state-dir/);
  });

  for (const { id, of, port, flag } of [
    { id: "the direct lane's port is another daemon's", of: "samePorts", port: 7481, flag: "--lane-port" },
    { id: "libp2p's port is another daemon's", of: "sameP2pPort", port: 7482, flag: "--p2p-port" },
    { id: "the direct lane's port is some other program's", of: "foreign", port: 7481, flag: "--lane-port" },
  ] as const) {
    it(`says which port is taken, and the flag for another: ${id}`, () => {
      const { exitCode, stderr } = result[of];
      assert.equal(exitCode, 1);
      assert.match(stderr, new RegExp(`\\b${port}\\b`));
      assert.match(stderr, new RegExp(`${flag}\\b`));
    });
  }

  it("with port 0 takes free ones, beside a daemon on the default ports", () => {
    assert.deepEqual(result.defaults, [true, true]);
    const others = result.listening.filter((port) => port !== 7481 && port !== 7482);
    assert.equal(new Set(others).size >= 2, true, `listening: ${result.listening.join(", ")}`);
  });
});
