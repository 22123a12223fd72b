/** An HTTP server that says exactly what a test tells it to, byte for byte. */

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly fields: Readonly<Record<string, string>>;
}

export type RawAnswer = (request: RawRequest, socket: Socket) => void;

export class RawServer {
  readonly requests: RawRequest[] = [];
  answer: RawAnswer;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(answer: RawAnswer) {
    this.answer = answer;
    this.#server = createServer((socket) => this.#take(socket));
  }

  static async start(answer: RawAnswer): Promise<RawServer> {
    const server = new RawServer(answer);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // Clients go away in the middle of things here.
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end !== -1; end = text.indexOf("\r\n\r\n")) {
        const request = parseRequest(text.slice(0, end));
        text = text.slice(end + 4);
        this.requests.push(request);
        this.answer(request, socket);
      }
    });
  }
}

/** Status line, fields and body, with the length of the body unless `fields` says otherwise. */
export function say(
  status: number,
  fields: Readonly<Record<string, string | undefined>> = {},
  body: string | Uint8Array = "",
): Buffer {
  const all = { "Content-Length": String(Buffer.byteLength(body)), ...fields };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\r\n`]));
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Some\r\n${lines.join("")}\r\n`, "latin1"), Buffer.from(body)]);
}

function parseRequest(text: string): RawRequest {
  const [first = "", ...lines] = text.split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const fields = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  return { method, path, fields: Object.fromEntries(fields) };
}
