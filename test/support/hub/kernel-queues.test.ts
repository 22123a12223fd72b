import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { unreadBytes, unreadIn } from "./kernel-queues.js";

const TABLES = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1F90 0100007F:C001 01 00000100:00000007 01:00000000 00000000     0        0 2
   2: 0100007F:C001 0100007F:1F90 01 00000030:00001000 00:00000000 00000000     0        0 3
   3: 0100007F:C002 0100007F:1F90 01 00000000:0000FFFF 00:00000000 00000000     0        0 4
`;

describe("what waits in the kernel", () => {
  it("counts what one end sent and what the other has not read", () => {
    assert.equal(unreadIn(TABLES, 0x1f90, 0xc001), 0x1100);
    assert.equal(unreadIn(TABLES, 0x1f90, 0xc002), 0xffff);
    assert.equal(unreadIn(TABLES, 0x1f90, 0xc003), undefined);
    assert.equal(unreadIn("", 1, 2), undefined);
  });

  const skip = process.platform !== "linux" && "only Linux tells";
  it("is seen while nobody reads, and gone once somebody did", { skip, timeout: 10_000 }, async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    const client = connect(address.port, "127.0.0.1");
    try {
      const [reader] = (await once(server, "connection")) as [Socket];
      client.write(Buffer.alloc(10_000));
      while ((await unreadBytes(client)) !== 10_000) await sleep(1);
      reader.resume();
      while ((await unreadBytes(client)) !== 0) await sleep(1);
    } finally {
      client.destroy();
      server.close();
    }
  });
});
