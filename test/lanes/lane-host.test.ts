import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { DirectLaneClient } from "@swarmd/daemon/transport/lanes/direct-lane-client";
import { LaneHost } from "@swarmd/daemon/transport/lanes/lane-host";
import type { LaneTicket } from "@swarmd/daemon/transport/lanes/ports";
import { RateLimit } from "@swarmd/daemon/transport/lanes/rate-limit";
import { parseBlobId } from "@swarmd/protocol";
import { ASKER, HOLDER } from "../support/direct-lane.js";
import { LaneNode } from "../support/lane-node.js";

const BLOB = parseBlobId(`sha256:${"3c".repeat(32)}`);
const SIZE_BYTES = 100_000;
const CONTENT = Buffer.alloc(SIZE_BYTES, "private ");

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function setUp(encrypt: "auto" | "always") {
  const spec = { id: BLOB, sizeBytes: SIZE_BYTES, shardBytes: 65_536 };
  const [sender, receiver] = [await LaneNode.start(spec), await LaneNode.start(spec)];
  await sender.put(CONTENT, 0, SIZE_BYTES);
  const nowMs = () => performance.now();
  const host = new LaneHost({ host: "127.0.0.1", port: 0, encrypt }, { handler: sender.serve, nowMs });
  await host.start();
  const fetchWith = async (ticket: LaneTicket) => {
    const client = new DirectLaneClient(
      { threads: 1 },
      {
        tickets: { get: async () => ticket },
        routes: { addresses: () => [{ link: "lo", host: "127.0.0.1", port: host.port }] },
        downloadLimit: RateLimit.of(undefined),
        nowMs,
      },
    );
    stops.push(() => client.stop());
    return (await receiver.fetch(client.source(HOLDER, "lo"), 0, SIZE_BYTES).done).fault?.code;
  };
  stops.push(
    () => receiver.stop(),
    () => sender.stop(),
    () => host.stop(),
  );
  return { host, receiver, fetchWith };
}

describe("LaneHost", () => {
  it("auto: public blobs plain, private ones over TLS; a ticket for one door opens no other", async () => {
    const { host, receiver, fetchWith } = await setUp("auto");
    const open = await host.grant(ASKER, BLOB, { isPrivate: false });
    const closed = await host.grant(ASKER, BLOB, { isPrivate: true });
    assert.equal(open.certificateSha256, undefined);
    assert.match(closed.certificateSha256 ?? "", /^[0-9a-f]{64}$/);
    const { ticket, validMs } = closed;
    assert.equal(await fetchWith({ ticket, validMs }), "PEER_DENIED");
    assert.equal(await fetchWith({ ...closed, ticket: open.ticket }), "PEER_DENIED");
    assert.equal(await fetchWith(closed), undefined);
    await receiver.assertHolds(CONTENT, 0, SIZE_BYTES);
  });

  it("auto: the TLS door may be opened before anybody asks, and is one door however often it is asked for", async () => {
    const { host, fetchWith } = await setUp("auto");
    host.prepareEncrypted();
    host.prepareEncrypted();
    const [first, second] = await Promise.all([
      host.grant(ASKER, BLOB, { isPrivate: true }),
      host.grant(ASKER, BLOB, { isPrivate: true }),
    ]);
    assert.deepEqual([first.port, first.certificateSha256], [second.port, second.certificateSha256]);
    assert.equal(await fetchWith(first), undefined);
  });

  it("auto: a public blob arrives plain", async () => {
    const { host, receiver, fetchWith } = await setUp("auto");
    assert.equal(await fetchWith(await host.grant(ASKER, BLOB, { isPrivate: false })), undefined);
    await receiver.assertHolds(CONTENT, 0, SIZE_BYTES);
  });

  it("always: everything over TLS at the announced port", async () => {
    const { host, receiver, fetchWith } = await setUp("always");
    const granted = await host.grant(ASKER, BLOB, { isPrivate: false });
    assert.equal(granted.port, host.port);
    assert.equal(await fetchWith(granted), undefined);
    await receiver.assertHolds(CONTENT, 0, SIZE_BYTES);
  });

  it("revokes a peer's tickets for both doors", async () => {
    const { host, fetchWith } = await setUp("auto");
    const tickets = [
      await host.grant(ASKER, BLOB, { isPrivate: false }),
      await host.grant(ASKER, BLOB, { isPrivate: true }),
    ];
    await host.revoke(ASKER);
    for (const ticket of tickets) assert.equal(await fetchWith(ticket), "PEER_DENIED");
  });

  it("says so when its port is taken", async () => {
    const { host } = await setUp("auto");
    const other = new LaneHost(
      { host: "127.0.0.1", port: host.port, encrypt: "auto" },
      {
        handler: { handle: async () => ({ kind: "refuse", code: "PEER_LACKS", message: "", redirect: [] }) },
        nowMs: () => 0,
      },
    );
    await assert.rejects(other.start(), { code: "ADDRESS_IN_USE" });
    await other.stop();
  });
});
