/** A cluster of real daemons, each a process: who comes in, what moves inside, what an outsider sees. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const mayMakeNamespaces = process.platform === "linux" && process.getuid?.() === 0;
const SCRIPT = fileURLToPath(new URL("./cluster-run.js", import.meta.url));
const DEADLINE_MS = 240_000;

interface Done {
  readonly bytesFromOrigin: number;
  readonly bytesFromPeers: number;
}
interface Failed {
  readonly exitCode: number;
  readonly message: string;
}
/** How often each was seen on the wire. */
type Seen = Readonly<
  Record<"seenBytes" | "name" | "commit" | "rawCommit" | "hex" | "raw" | "base64" | "size" | "bytes", number>
>;

interface Result {
  readonly sizeBytes: number;
  readonly inOpenMode: {
    readonly secretForOwner: Done;
    readonly openForStranger: Done;
    readonly secretForStranger: Failed;
  };
  readonly seenInOpenMode: { readonly secret: Seen; readonly gated: Seen; readonly open: Seen };
  /** Whether the stranger was told of the public repo, the private one, and the gated one. */
  readonly heardInOpenMode: readonly boolean[];
  readonly fromShy: Done;
  readonly seenFromShy: Seen;
  readonly toShy: Done;
  readonly seenToShy: Seen;
  readonly tries: readonly Failed[];
  readonly joined: string;
  readonly afterVoid: Failed;
  readonly keyMode: number;
  readonly inside: { readonly secret: Done; readonly gated: Done };
  readonly seenInside: { readonly secret: Seen; readonly gated: Seen; readonly clusterName: Pick<Seen, "name"> };
  readonly strangersPeers: number;
  readonly withoutAccess: Failed;
  readonly withoutPeers: Failed;
  readonly offline: Done;
  readonly basis: readonly string[];
  readonly removed: {
    readonly generation: number;
    readonly members: readonly string[];
    readonly mustJoinAgain: readonly unknown[];
  };
  readonly removedSees: number;
  readonly left: { readonly name: string };
  readonly afterLeave: string;
  readonly withoutCluster: Failed;
  readonly hidden: Failed;
  readonly shownKey: string;
  readonly sharedWithAll: Done;
  readonly seenWithAll: Seen;
}

/** Runs the script where the loopback interface is the whole network. */
function runInNamespace(): Promise<string> {
  const command = `ip link set lo up && exec "${process.execPath}" "${SCRIPT}"`;
  const child = spawn("unshare", ["--net", "sh", "-c", command], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_MS,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`ended with ${code}:\n${output}`))));
  });
}

/** Nothing of it was on the wire, though the capture saw much else. */
function assertUnseen(seen: Seen): void {
  const { seenBytes, ...found } = seen;
  assert.deepEqual(new Set(Object.values(found)), new Set([0]), JSON.stringify(found));
  assert.ok(seenBytes > 4_000_000, `the capture saw ${seenBytes} bytes`);
}

describe("a cluster of processes", {
  skip: mayMakeNamespaces ? false : "needs root on Linux, to make a network namespace and to capture",
}, () => {
  it("lets in who knows the code, shares inside, shows nothing outside, and lets go", async (t) => {
    const output = await runInNamespace();
    const line = output.split("\n").find((text) => text.startsWith("result "));
    assert.ok(line !== undefined, output);
    const result = JSON.parse(line.slice("result ".length)) as Result;
    const size = result.sizeBytes;

    // Open mode: what is public is shared in the clear, and seen; of the rest nothing is said or served.
    assert.equal(result.inOpenMode.secretForOwner.bytesFromPeers, 0);
    assert.ok(result.inOpenMode.openForStranger.bytesFromPeers > size);
    assert.equal(result.inOpenMode.secretForStranger.exitCode, 3);
    const { open, secret, gated } = result.seenInOpenMode;
    assert.ok(open.hex > 0 && open.size > 0 && open.bytes > 0, "the capture finds what is there to be found");
    assertUnseen(secret);
    assertUnseen(gated);
    assert.deepEqual(result.heardInOpenMode, [true, false, false]);
    assert.ok(result.fromShy.bytesFromPeers > size);
    assertUnseen(result.seenFromShy);
    assert.ok(result.toShy.bytesFromPeers > size);
    assertUnseen(result.seenToShy);

    // Three wrong codes in all, and one right one among them.
    assert.deepEqual(
      result.tries.map(({ exitCode }) => exitCode),
      [4, 4, 4],
    );
    for (const [index, left] of [/2 tries/, /1 try/, /last try/].entries()) {
      assert.match((result.tries[index] as Failed).message, left);
    }
    assert.equal(result.joined, "laboratory");
    assert.equal(result.afterVoid.exitCode, 6);
    assert.equal(result.keyMode, 0o600);

    // Inside, with access: over the LAN, and unreadable on the way. The outsider has no peers any more.
    for (const { bytesFromOrigin, bytesFromPeers } of [result.inside.secret, result.inside.gated]) {
      assert.equal(bytesFromOrigin, 0);
      assert.ok(bytesFromPeers > size);
    }
    assertUnseen(result.seenInside.secret);
    assertUnseen(result.seenInside.gated);
    assert.equal(result.seenInside.clusterName.name, 0);
    assert.equal(result.strangersPeers, 0);

    // A member without access; then without an origin.
    assert.equal(result.withoutAccess.exitCode, 3);
    assert.equal(result.withoutPeers.exitCode, 6);
    assert.equal(result.basis.length, 1);
    assert.deepEqual([result.offline.bytesFromOrigin, result.offline.bytesFromPeers > size], [0, true]);

    // Removed, and left.
    assert.deepEqual(
      [result.removed.generation, result.removed.members.length, result.removed.mustJoinAgain],
      [2, 1, []],
    );
    assert.equal(result.removedSees, 0);
    assert.deepEqual([result.left.name, result.afterLeave], ["laboratory", "open"]);
    assert.equal(result.withoutCluster.exitCode, 6);

    // All members share, by a key that was brought along.
    assert.deepEqual([result.hidden.exitCode, result.shownKey.endsWith("5a".repeat(32))], [2, true]);
    assert.deepEqual([result.sharedWithAll.bytesFromOrigin, result.sharedWithAll.bytesFromPeers > size], [0, true]);
    assertUnseen(result.seenWithAll);

    const captures = [secret, gated, result.seenInside.secret, result.seenInside.gated, result.seenWithAll];
    const mostBytes = Math.max(...captures.map(({ seenBytes }) => seenBytes));
    const found = captures.map(({ seenBytes: _, ...each }) =>
      Object.values(each).reduce((sum, count) => sum + count, 0),
    );
    t.diagnostic(
      `uninvited, on the wire: ${found.reduce((sum, count) => sum + count, 0)} finds of names, commits, digests, sizes or content of ` +
        `private repos, in open mode and around a cluster; largest capture ${(mostBytes / 1e6).toFixed(1)} MB; ` +
        `of a public repo in open mode ${Object.entries(open).filter(([name, count]) => name !== "seenBytes" && count > 0).length} kinds found`,
    );
  });
});
