/** A TCP proxy that can break connections: after so many bytes towards the client, or all of them now. */
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from "node:net";

export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** For each connection from now on; counts all bytes, heads too. */
  cutAfterBytes = Number.POSITIVE_INFINITY;
  connections = 0;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => this.#join(client, targetPort));
  }

  static async start(targetPort: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Takes no new connections, breaks the old. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #join(client: Socket, targetPort: number): void {
    this.connections += 1;
    const server = dial(targetPort, "127.0.0.1");
    let leftBytes = this.cutAfterBytes;
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on("data", (chunk) => {
      if (!server.write(chunk)) {
        client.pause();
        server.once("drain", () => client.resume());
      }
    });
    server.on("data", (chunk) => {
      const piece = chunk.subarray(0, leftBytes);
      leftBytes -= piece.length;
      const isCut = leftBytes <= 0;
      const hasRoom = client.write(piece, () => {
        if (isCut) end();
      });
      if (!hasRoom) {
        server.pause();
        client.once("drain", () => server.resume());
      }
    });
  }
}
