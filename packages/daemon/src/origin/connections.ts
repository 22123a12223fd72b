/**
 * The node's connections to its origins: one undici agent, with connections whose reading can be held.
 *
 * Why not undici's own `pause`: in the 7.x line a response with `Connection: close` that is paused when the server closes throws an
 * assertion out of a socket event, which ends the process. (Fixed in 8, which needs Node 22.19.) Holding back the socket's bytes
 * instead never leaves undici's parser paused, and has the same effect: the socket buffer fills, then the kernel's, then the sender waits.
 */
import type { Duplex } from "node:stream";
import { Agent, Client, type Dispatcher, Pool } from "undici";

/** A connection whose bytes can be held back for a while. */
export interface Holdable {
  /** From now on nothing is read from the socket. */
  hold(): void;
  /** Reading goes on. */
  release(): void;
}

/** A request that wants to know which connection it got. */
export interface ConnectionUser {
  onConnection(connection: Holdable): void;
}

export interface RequestOptions extends Dispatcher.DispatchOptions {
  readonly user: ConnectionUser;
}

export interface ConnectionOptions {
  /** Most connections to one host. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
}

/** Opens the pool; close it with `destroy()`. */
export function openConnections(options: ConnectionOptions): Dispatcher {
  return new Agent({
    connections: options.connections,
    connect: { timeout: options.connectTimeoutMs },
    // The exchange keeps its own clocks: a sink that takes its time is not the server's silence.
    headersTimeout: 0,
    bodyTimeout: 0,
    factory: (origin, opts) =>
      new Pool(origin, { ...opts, factory: (host, clientOptions) => new HoldableConnection(host, clientOptions) }),
  });
}

type Connect = Extract<NonNullable<Client.Options["connect"]>, (...args: never[]) => unknown>;

/** One connection of the pool. It carries one request at a time. */
class HoldableConnection extends Client implements Holdable {
  readonly #wire: Wire;

  constructor(origin: URL, options: Client.Options) {
    const wire = new Wire();
    // The pool hands down the connect function it built, so that all its connections share TLS sessions and the deadline.
    const connect = options.connect as Connect;
    super(origin, {
      ...options,
      connect: (target, callback) =>
        connect(target, (...[error, socket]: Parameters<typeof callback>) => {
          if (socket) wire.take(socket);
          callback(...([error, socket] as Parameters<typeof callback>));
        }),
    });
    this.#wire = wire;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    (options as RequestOptions).user.onConnection(this);
    return super.dispatch(options, handler);
  }

  hold(): void {
    this.#wire.isHeld = true;
  }

  release(): void {
    this.#wire.release();
  }
}

/** The socket of a connection, behind a gate. */
class Wire {
  isHeld = false;
  #socket: Duplex | undefined;

  take(socket: Duplex): void {
    this.isHeld = false;
    this.#socket = socket;
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => (this.isHeld && this.#socket === socket ? null : read(size));
  }

  release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    // undici reads until there is nothing left and then waits for this event; what came meanwhile would lie there for ever.
    this.#socket?.emit("readable");
  }
}
