/** What passes over the interfaces of this network namespace, as a sniffer on the cable would see it. Linux, and root. */
import koffi from "koffi";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const ALL_PROTOCOLS = 0x0300; // ETH_P_ALL, in network order
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const QUEUE_BYTES = 256 * 1024 * 1024;
const FRAME_BYTES = 70_000;
const LINK_HEAD_BYTES = 14;
const DRAIN_MS = 2;

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const setsockopt = libc.func("int setsockopt(int fd, int level, int name, const void *value, int length)");
const recv = libc.func("long recv(int fd, _Out_ void *buffer, size_t length, int flags)");
const close = libc.func("int close(int fd)");

export class PacketCapture {
  readonly #fd: number;
  readonly #without: ReadonlySet<number>;
  readonly #buffer = Buffer.alloc(FRAME_BYTES);
  readonly #timer: NodeJS.Timeout;
  /** Bytes of each direction of each connection, in order: what is looked for may be cut in two by a packet's end. */
  #streams = new Map<string, Buffer[]>();
  /** The next byte of each TCP stream: on the loopback interface every packet is seen twice. */
  readonly #next = new Map<string, number>();

  private constructor(fd: number, without: readonly number[]) {
    this.#fd = fd;
    this.#without = new Set(without);
    this.#timer = setInterval(() => this.#drain(), DRAIN_MS);
  }

  /** @param without TCP ports of what is not part of the swarm: the Hub's own traffic. */
  static start({ without }: { readonly without: readonly number[] }): PacketCapture {
    const fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, ALL_PROTOCOLS) as number;
    if (fd < 0) throw new Error("no packet socket: not root?");
    const size = Buffer.alloc(4);
    size.writeInt32LE(QUEUE_BYTES);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length);
    return new PacketCapture(fd, without);
  }

  /** How often each was seen. */
  find(needles: Readonly<Record<string, Buffer>>): Record<string, number> {
    this.#drain();
    const found: Record<string, number> = { seenBytes: 0 };
    for (const name of Object.keys(needles)) found[name] = 0;
    for (const chunks of this.#streams.values()) {
      const all = Buffer.concat(chunks);
      found.seenBytes = (found.seenBytes as number) + all.length;
      for (const [name, needle] of Object.entries(needles)) {
        for (let at = all.indexOf(needle); at !== -1; at = all.indexOf(needle, at + 1)) {
          found[name] = (found[name] as number) + 1;
        }
      }
    }
    return found;
  }

  clear(): void {
    this.#drain();
    this.#streams = new Map();
  }

  stop(): void {
    clearInterval(this.#timer);
    close(this.#fd);
  }

  #drain(): void {
    for (;;) {
      const length = Number(recv(this.#fd, this.#buffer, FRAME_BYTES, 0));
      if (length <= LINK_HEAD_BYTES) return;
      this.#take(this.#buffer.subarray(LINK_HEAD_BYTES, length));
    }
  }

  /** IP in, payload out: TCP by connection, everything else (mDNS) in one heap. */
  #take(packet: Buffer): void {
    const isV4 = packet[0] !== undefined && packet[0] >> 4 === 4;
    const at = isV4 ? ((packet[0] as number) & 15) * 4 : 40;
    const protocol = isV4 ? packet[9] : packet[6];
    if (protocol !== 6 || packet.length < at + 20) {
      this.#add("other", packet);
      return;
    }
    const [from, to] = [packet.readUInt16BE(at), packet.readUInt16BE(at + 2)];
    if (this.#without.has(from) || this.#without.has(to)) return;
    const head = ((packet[at + 12] as number) >> 4) * 4;
    const payload = packet.subarray(at + head);
    const stream = `${from} ${to}`;
    const sequence = packet.readUInt32BE(at + 4);
    const expected = this.#next.get(stream);
    // Half of the number space lies behind, half ahead.
    if (payload.length === 0 || (expected !== undefined && ((sequence - expected) | 0) < 0)) return;
    this.#next.set(stream, (sequence + payload.length) >>> 0);
    this.#add(stream, payload);
  }

  #add(stream: string, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const chunks = this.#streams.get(stream) ?? [];
    chunks.push(Buffer.from(bytes));
    this.#streams.set(stream, chunks);
  }
}
