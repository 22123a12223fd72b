/** Real daemons, and a liar among them that is caught by the proof it brings itself. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

interface Result {
  readonly liar: string;
  readonly served: number;
  readonly faults: readonly string[];
  readonly messages: readonly string[];
  readonly banned: readonly { readonly id: string; readonly why: string }[];
  readonly shown: string;
}

describe("a liar on the LAN, and a file that can be proven", {
  skip: MAY_MAKE_NAMESPACES ? false : "needs root on Linux, to make a network namespace",
}, () => {
  it("is caught by proof, banned and shown, and the pull ends right", async () => {
    const script = fileURLToPath(new URL("./proven-liar-run.js", import.meta.url));
    const result = await runInNamespace<Result>(script);
    assert.ok(result.served > 0, "the liar was not asked for anything");
    assert.ok(result.faults.includes("PEER_CORRUPT"), JSON.stringify(result.faults));
    assert.ok(
      result.messages.some((message) => message.includes("not what their proof says")),
      JSON.stringify(result.messages),
    );
    assert.deepEqual(
      result.banned.map(({ id }) => id),
      [result.liar],
    );
    assert.match(result.shown, new RegExp(`banned for .* more: ${result.liar}`));
  });
});
