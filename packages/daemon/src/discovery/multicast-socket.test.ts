import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { afterEach, describe, it } from "node:test";
import { MulticastSocket } from "./multicast-socket.js";

/** Of the range that belongs to nobody; it does not leave the loopback here. */
const GROUP = "239.77.77.77";
const LOOPBACK = "127.0.0.1";
const NOT_OURS = "192.0.2.1";

const open: MulticastSocket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

/** A port that is free; two sockets may share it, as those of mDNS do. */
async function findPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

async function openOn(port: number, hosts: readonly string[]) {
  const heard: string[] = [];
  const failures: Error[] = [];
  const waiting: (() => void)[] = [];
  const socket = new MulticastSocket(
    { group: GROUP, port },
    {
      hosts: () => hosts,
      onDatagram(datagram) {
        heard.push(datagram.toString());
        for (const wake of waiting.splice(0)) wake();
      },
      onFailure: (error) => failures.push(error),
    },
  );
  open.push(socket);
  await socket.open();
  const until = async (text: string) => {
    while (!heard.includes(text)) await new Promise<void>((wake) => waiting.push(wake));
  };
  return { socket, heard, failures, until };
}

describe("a multicast socket", { timeout: 20_000 }, () => {
  it("is heard by all who share the port, itself included", async () => {
    const port = await findPort();
    const [one, other] = [await openOn(port, [LOOPBACK]), await openOn(port, [LOOPBACK])];
    await one.socket.send(Buffer.from("hello"));
    await Promise.all([one.until("hello"), other.until("hello")]);
    assert.deepEqual([one.failures, other.failures], [[], []]);
  });

  it("goes on with the interfaces that work", async () => {
    const port = await findPort();
    const { socket, failures, until } = await openOn(port, [NOT_OURS, LOOPBACK]);
    assert.ok(failures.length > 0);
    await socket.send(Buffer.from("still here"));
    await until("still here");
  });

  it("uses what interfaces there are when it is opened again, and sends nothing when it is closed", async () => {
    const port = await findPort();
    const hosts: string[] = [];
    const { socket, heard, until } = await openOn(port, hosts);
    await socket.send(Buffer.from("nobody hears this"));
    await socket.close();
    await socket.send(Buffer.from("nor this"));
    hosts.push(LOOPBACK);
    await socket.open();
    await socket.send(Buffer.from("this"));
    await until("this");
    assert.deepEqual(heard, ["this"]);
  });

  it("says so when the port can't be had, and is silent from then on", async () => {
    const port = await findPort();
    const alone = createSocket("udp4");
    await new Promise<void>((resolve) => alone.bind({ port, exclusive: true }, resolve));
    const { socket, failures } = await openOn(port, [LOOPBACK]);
    await socket.send(Buffer.from("lost"));
    await new Promise<void>((resolve) => alone.close(resolve));
    assert.match(failures[0]?.message ?? "", /EADDRINUSE/);
  });
});
