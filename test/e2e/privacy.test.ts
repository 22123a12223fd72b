/** A stranger on the LAN hears of public files only, and gets nothing else, whatever digest it names. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

interface Answer {
  readonly isAnnounced: boolean;
  readonly direct: string | number;
  readonly libp2p: string;
  readonly received: number;
}

describe("in open mode, a stranger", {
  skip: MAY_MAKE_NAMESPACES ? false : "needs root on Linux, to make a network namespace",
}, () => {
  it("gets what is public, and neither hears of nor gets what is private, gated or of unknown visibility", async () => {
    const script = fileURLToPath(new URL("./privacy-run.js", import.meta.url));
    const answers = await runInNamespace<Record<string, Answer>>(script);
    assert.deepEqual(answers.public, { isAnnounced: true, direct: 206, libp2p: "served", received: 100 });
    const { absent, ...others } = answers;
    assert.deepEqual(absent, { isAnnounced: false, direct: 404, libp2p: "PEER_LACKS", received: 0 });
    for (const name of ["private", "gated", "unknown"]) {
      assert.deepEqual(others[name], absent, `${name} is answered like what does not exist`);
    }
  });
});
