/**
 * A UDP socket whose datagrams leave by every interface of the LAN, not only by the one of the default route.
 *
 * One socket is enough: the interface is set before each send, and sends happen one after the other.
 */
import { createSocket, type Socket } from "node:dgram";

export interface MulticastSocketOptions {
  /** IPv4 address of the group. */
  readonly group: string;
  readonly port: number;
}

export interface MulticastSocketDeps {
  /** One IPv4 address of each interface to use, as of now. */
  readonly hosts: () => readonly string[];
  readonly onDatagram: (datagram: Buffer) => void;
  /** An interface can't be used, which is no reason not to use the others; or the port can't, and nothing works. */
  readonly onFailure: (error: Error) => void;
}

/** A datagram leaves at once or not at all; this is for a driver that hangs. */
const SEND_MS = 500;
/** No router passes it on in any case; a receiver may check that none did. */
const TTL = 255;

export class MulticastSocket {
  readonly #options: MulticastSocketOptions;
  readonly #deps: MulticastSocketDeps;
  #socket: Socket | undefined;
  #hosts: readonly string[] = [];
  #turn: Promise<void> = Promise.resolve();

  constructor(options: MulticastSocketOptions, deps: MulticastSocketDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Listens on the interfaces that there are now. Resolves without it when the port can't be had: `onFailure` knows. */
  async open(): Promise<void> {
    // Others on this machine listen on the port, too: the system's own mDNS, further nodes.
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    try {
      await bound(socket, this.#options.port);
    } catch (error) {
      socket.close();
      this.#deps.onFailure(error as Error);
      return;
    }
    socket.on("error", this.#deps.onFailure);
    socket.on("message", this.#deps.onDatagram);
    socket.setMulticastTTL(TTL);
    socket.setMulticastLoopback(true);
    this.#hosts = this.#deps
      .hosts()
      .filter((host) => this.#does(() => socket.addMembership(this.#options.group, host)));
    this.#socket = socket;
  }

  /** To the group, by every interface. Never rejects; resolves when it has left, in the order of the calls. */
  send(datagram: Uint8Array): Promise<void> {
    this.#turn = this.#turn.then(() => this.#sendAll(datagram));
    return this.#turn;
  }

  /** What was given to `send` before still leaves. */
  async close(): Promise<void> {
    await this.#turn;
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(resolve));
  }

  async #sendAll(datagram: Uint8Array): Promise<void> {
    for (const host of this.#hosts) {
      const socket = this.#socket;
      if (socket === undefined) return;
      if (this.#does(() => socket.setMulticastInterface(host))) await this.#sendOne(socket, datagram);
    }
  }

  #sendOne(socket: Socket, datagram: Uint8Array): Promise<void> {
    const { port, group } = this.#options;
    return new Promise((resolve) => {
      const deadline = setTimeout(resolve, SEND_MS);
      socket.send(datagram, port, group, (error) => {
        clearTimeout(deadline);
        if (error !== null) this.#deps.onFailure(error);
        resolve();
      });
    });
  }

  /** An interface may go away at any moment. */
  #does(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      this.#deps.onFailure(error as Error);
      return false;
    }
  }
}

function bound(socket: Socket, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, () => {
      socket.off("error", reject);
      resolve();
    });
  });
}
