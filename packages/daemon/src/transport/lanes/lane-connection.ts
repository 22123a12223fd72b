/** One connection to the direct lane of a peer: bytes come straight off the socket into one buffer that all connections share. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { LaneDeadlines } from "./lane-orders.js";
import { LANE_TLS } from "./lane-tls.js";
import type { LaneAddress } from "./ports.js";
import type { RateLimit } from "./rate-limit.js";
import { parseResponseHead, type ResponseHead } from "./response-head.js";

/** For heads and explanations. What comes of a body with its head is copied, so this is small. */
const HEAD_BUFFER_BYTES = 64 * 1024;
const MOST_HEAD_BYTES = 16 * 1024;
/** Of an answer that explains a refusal. */
const MOST_TEXT_BYTES = 16 * 1024;
const LIMITED_BYTES = 64 * 1024;
/** Much less than any deadline. */
const PAUSE_REFRESH_MS = 1_000;
const HEAD_END = Buffer.from("\r\n\r\n");
const NOTHING = Buffer.alloc(0);

/** Every callback has done with its bytes when it returns, so one buffer serves all connections of a thread. */
const headBuffer = Buffer.allocUnsafeSlow(HEAD_BUFFER_BYTES);

/** Takes the body of a 200 or 206. What it throws ends the connection and comes out of `exchange`. */
export interface BodyTaker {
  /** Says whether this answer is what was asked for. @throws SwarmError if not */
  begin(head: ResponseHead): void;
  /** Where the next bytes are to be put, until the next `take`. Empty, only before a promise of `take` resolves: not known yet. */
  target(): Buffer;
  /** So many bytes are in what `target` gave. A promise means: nothing more until it resolves. */
  take(bytes: number): Promise<void> | undefined;
}

export interface Exchange {
  readonly head: ResponseHead;
  /** The body of any status but 200 and 206. */
  readonly text: string;
}

export interface ConnectionOptions {
  readonly deadlines: LaneDeadlines;
  readonly limit: RateLimit;
  /** 64 hex digits. */
  readonly certificateSha256: string | undefined;
  readonly signal: AbortSignal;
}

type Phase = "connecting" | "idle" | "head" | "body" | "text" | "closed";

export class LaneConnection {
  readonly address: LaneAddress;
  readonly #socket: Socket;
  readonly #deadlines: LaneDeadlines;
  readonly #limit: RateLimit;
  #phase: Phase = "connecting";
  #timer: NodeJS.Timeout | undefined;
  #total: NodeJS.Timeout | undefined;
  #pacer: () => void = () => undefined;
  #pending = NOTHING;
  /** When something was last read, or could have been. */
  #readMs = 0;
  #isPaused = false;
  #leftBytes = 0;
  #head: ResponseHead | undefined;
  #taker: BodyTaker | undefined;
  #resolve: (exchange: Exchange) => void = () => undefined;
  #reject: (error: SwarmError) => void = () => undefined;
  /** Called once, when the connection can't be used any more. */
  onClose: () => void = () => undefined;

  private constructor(address: LaneAddress, options: ConnectionOptions) {
    this.address = address;
    this.#deadlines = options.deadlines;
    this.#limit = options.limit;
    const { host, port } = address;
    const onread = {
      // Asked for the first read and after each one.
      buffer: () => this.#target(),
      callback: (bytes: number, buffer: Uint8Array) => this.#read(bytes, buffer as Buffer),
    };
    const target = { host, port, onread, noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 };
    this.#socket =
      options.certificateSha256 === undefined
        ? connectTcp(target)
        : // The certificate is known by its hash, which came over an authenticated stream: names and authorities say nothing here.
          connectTls({ ...target, ...LANE_TLS, rejectUnauthorized: false });
    this.#socket.on("error", (cause) => this.#fail(this.#broken(cause.message, cause)));
    this.#socket.on("close", () => this.#fail(this.#broken("the connection was closed")));
    this.#socket.on("end", () => this.#fail(this.#broken("the connection was closed")));
  }

  /** @throws SwarmError PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT for a wrong certificate, INTERRUPTED on abort */
  static open(address: LaneAddress, options: ConnectionOptions): Promise<LaneConnection> {
    const connection = new LaneConnection(address, options);
    return connection.#opened(options);
  }

  #opened({ certificateSha256, signal }: ConnectionOptions): Promise<LaneConnection> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#fail(new SwarmError("INTERRUPTED", "the connection is not needed any more"));
      signal.addEventListener("abort", onAbort, { once: true });
      this.#reject = (error) => {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      };
      this.#setTimer(this.#deadlines.connectMs, "could not be reached in time");
      socket.once(certificateSha256 === undefined ? "connect" : "secureConnect", () => {
        if (this.#phase !== "connecting") return;
        if (certificateSha256 !== undefined && !hasCertificate(socket as TLSSocket, certificateSha256)) {
          this.#fail(new SwarmError("PEER_FAULT", `${this.#name} has another certificate than its ticket says`));
          return;
        }
        signal.removeEventListener("abort", onAbort);
        this.#phase = "idle";
        this.#clearTimers();
        resolve(this);
      });
      if (signal.aborted) onAbort();
    });
  }

  get isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** For how long the peer has kept us waiting. */
  get quietMs(): number {
    return this.#isPaused ? 0 : performance.now() - this.#readMs;
  }

  /** Whether either end has one of these addresses. */
  isOver(hosts: readonly string[]): boolean {
    return hosts.includes(this.address.host) || hosts.includes(this.#socket.localAddress ?? "");
  }

  /** Closes it when it was not used for so long. */
  rest(): void {
    this.#setTimer(this.#deadlines.keepMs, "was not needed");
  }

  /**
   * Sends one request and takes its answer. Afterwards the connection can be used again unless `isClosed`.
   *
   * @throws SwarmError PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT; what the taker threw; what `close` was given.
   */
  exchange(request: string, taker: BodyTaker): Promise<Exchange> {
    if (this.#phase !== "idle") return Promise.reject(this.#broken("the connection was closed"));
    this.#phase = "head";
    this.#readMs = performance.now();
    this.#taker = taker;
    this.#setTimer(this.#deadlines.answerMs, "did not answer");
    this.#total = setTimeout(() => this.#stall("took too long in all"), this.#deadlines.totalMs);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(request, "latin1");
    });
  }

  close(error: SwarmError): void {
    this.#fail(error);
  }

  /**
   * Bodies go straight to where they are hashed and written from; with a limit in small pieces, so that the rate is even. The socket
   * asks right after a read, for one that may come much later: where the taker does not know yet where it wants that, it is copied then.
   */
  #target(): Buffer {
    const target = this.#phase === "body" ? this.#taker?.target() : undefined;
    if (target === undefined || target.length === 0) return headBuffer;
    return this.#limit.bytesPerSecond === undefined ? target : target.subarray(0, LIMITED_BYTES);
  }

  /** @returns `false` to stop reading for a while */
  #read(bytes: number, buffer: Buffer): boolean {
    if (this.#phase === "closed") return false;
    this.#readMs = performance.now();
    let wait: Promise<void> | undefined;
    try {
      wait = this.#feed(bytes, buffer);
    } catch (error) {
      this.#fail(toSwarmError(error));
      return false;
    }
    const waitMs = this.#limit.reserve(bytes);
    if (wait === undefined && waitMs < 1) {
      this.#timer?.refresh();
      return true;
    }
    void this.#pause(wait, waitMs);
    return false;
  }

  #feed(bytes: number, buffer: Buffer): Promise<void> | undefined {
    switch (this.#phase) {
      case "head":
        return this.#feedHead(buffer.subarray(0, bytes));
      case "body":
        // The first bytes of a body may come with the head, and the read after that may have been prepared before.
        return buffer === headBuffer ? this.#copyBody(buffer.subarray(0, bytes)) : this.#feedBody(bytes);
      case "text":
        this.#feedText(buffer.subarray(0, bytes));
        return undefined;
      default:
        throw new SwarmError("PEER_FAULT", `${this.#name} sent bytes that nobody asked for`);
    }
  }

  #feedHead(chunk: Buffer): Promise<void> | undefined {
    const all = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const end = all.indexOf(HEAD_END);
    if (end === -1 ? all.length > MOST_HEAD_BYTES : end > MOST_HEAD_BYTES) {
      throw new SwarmError("PEER_FAULT", `${this.#name} answered with more than ${MOST_HEAD_BYTES} bytes of headers`);
    }
    if (end === -1) {
      this.#pending = Buffer.from(all);
      return undefined;
    }
    this.#pending = NOTHING;
    return this.#begin(parseResponseHead(all.toString("latin1", 0, end)), all.subarray(end + HEAD_END.length));
  }

  #begin(head: ResponseHead, rest: Buffer): Promise<void> | undefined {
    this.#head = head;
    this.#leftBytes = head.lengthBytes;
    this.#setTimer(this.#deadlines.idleMs, "sent nothing more");
    if (head.status === 200 || head.status === 206) {
      this.#taker?.begin(head);
      this.#phase = "body";
      return this.#copyBody(rest);
    }
    if (head.lengthBytes > MOST_TEXT_BYTES) {
      throw new SwarmError("PEER_FAULT", `${this.#name} refused with ${head.lengthBytes} bytes of explanation`);
    }
    this.#phase = "text";
    this.#feedText(rest);
    return undefined;
  }

  #copyBody(chunk: Buffer): Promise<void> | undefined {
    let wait: Promise<void> | undefined;
    let rest = chunk;
    while (rest.length > 0 && this.#phase === "body") {
      const target = this.#taker?.target() ?? NOTHING;
      const copied = rest.copy(target);
      rest = rest.subarray(copied);
      wait = this.#feedBody(copied);
      if (wait !== undefined && rest.length > 0) return this.#copyLater(wait, Buffer.from(rest));
    }
    if (rest.length > 0) this.#count(rest.length);
    return wait;
  }

  async #copyLater(wait: Promise<void>, rest: Buffer): Promise<void> {
    await wait;
    if (this.#phase === "body") await this.#copyBody(rest);
  }

  #feedBody(bytes: number): Promise<void> | undefined {
    this.#count(bytes);
    const wait = this.#taker?.take(bytes);
    if (this.#leftBytes === 0) this.#finish("");
    return wait;
  }

  #feedText(chunk: Buffer): void {
    this.#count(chunk.length);
    this.#pending = Buffer.concat([this.#pending, chunk]);
    if (this.#leftBytes === 0) this.#finish(Buffer.from(this.#pending).toString("utf8"));
  }

  #count(bytes: number): void {
    if (bytes > this.#leftBytes) {
      throw new SwarmError("PEER_FAULT", `${this.#name} sent more bytes than it had announced`);
    }
    this.#leftBytes -= bytes;
  }

  /** body | text -> idle. */
  #finish(text: string): void {
    const head = this.#head as ResponseHead;
    this.#clearTimers();
    this.#pending = NOTHING;
    this.#taker = undefined;
    this.#phase = "idle";
    if (!head.keepAlive) this.#fail(this.#broken("the connection was closed"));
    this.#resolve({ head, text });
  }

  /** Stops reading while the disk or the rate limit says so: the sender feels it through TCP. Our own slowness is not the peer's. */
  async #pause(wait: Promise<void> | undefined, waitMs: number): Promise<void> {
    const timer = this.#timer;
    const paused = setInterval(() => timer?.refresh(), PAUSE_REFRESH_MS);
    this.#isPaused = true;
    try {
      await wait;
    } catch (error) {
      this.#fail(toSwarmError(error));
    }
    if (waitMs >= 1) {
      const closed = new Promise<void>((resolve) => {
        this.#pacer = resolve;
      });
      await Promise.race([closed, this.#limit.waitOut(waitMs)]);
    }
    clearInterval(paused);
    this.#isPaused = false;
    this.#readMs = performance.now();
    if (this.#phase !== "closed") this.#socket.resume();
  }

  #fail(error: SwarmError): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#clearTimers();
    this.#pacer();
    this.#socket.destroy();
    this.#reject(error);
    this.onClose();
  }

  #stall(what: string): void {
    this.#fail(new SwarmError("PEER_STALLED", `${this.#name} ${what}`));
  }

  #setTimer(afterMs: number, what: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#stall(what), afterMs);
  }

  #clearTimers(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#total);
    this.#timer = undefined;
  }

  #broken(how: string, cause?: unknown): SwarmError {
    return new SwarmError("PEER_UNREACHABLE", `${this.#name}: ${how}`, cause === undefined ? {} : { cause });
  }

  get #name(): string {
    return `the direct lane at ${this.address.host}:${this.address.port}`;
  }
}

function hasCertificate(socket: TLSSocket, sha256: string): boolean {
  const found = socket.getPeerX509Certificate()?.fingerprint256.replaceAll(":", "").toLowerCase();
  return found === sha256;
}
