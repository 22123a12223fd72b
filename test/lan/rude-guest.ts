/**
 * Bad company for a daemon's ports. Arguments: host, then ports. Opens connections that send garbage, endless lines, or nothing at all, keeps
 * those open that are not cut, and prints how many it has; ends when it is told to, by the end of stdin.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const [host = "127.0.0.1", ...ports] = process.argv.slice(2);
const EACH = 20;
const OVERSIZE_BYTES = 4 * 1024 * 1024;

const MANNERS: readonly ((socket: Socket) => void)[] = [
  (socket) => socket.write(randomBytes(10_000)),
  (socket) => socket.write(Buffer.alloc(OVERSIZE_BYTES, "a")),
  (socket) => socket.write(`GET /blobs/${"x".repeat(100_000)} HTTP/1.1\r\n`),
  (socket) => socket.write("GET / HTTP/1.1\r\nContent-Length: -1\r\nRange: bytes=9-1\r\n\r\n"),
  (socket) => socket.write("\u0013/multistream/1.0.0\n\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff"),
  () => undefined,
];

const sockets: Socket[] = [];
for (const port of ports.map(Number)) {
  for (let index = 0; index < EACH; index += 1) {
    for (const behave of MANNERS) {
      const socket = connect({ host, port });
      socket.on("error", () => undefined);
      socket.on("connect", () => behave(socket));
      socket.resume();
      sockets.push(socket);
    }
  }
}
process.stdout.write(`${JSON.stringify({ type: "opened", connections: sockets.length })}\n`);
process.stdin.resume().once("end", () => process.exit(0));
