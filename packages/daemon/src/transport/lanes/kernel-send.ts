/**
 * `sendfile(2)`: the kernel takes bytes from a file to a socket without copying them through us, at a fifth of the cost. Node does
 * not offer it; called through koffi, in a thread of the pool, because it may wait for the disk. Linux; elsewhere the lane reads
 * and writes.
 */
export interface KernelSend {
  /** A second descriptor of the same socket, so that a number that was closed and given anew is never written to. -1: can't. */
  duplicate(fileDescriptor: number): number;
  /** Of what `duplicate` gave. */
  close(fileDescriptor: number): void;
  /** Sends as much as the socket takes without waiting. 0: nothing, for whatever reason; an ordinary write will tell which. */
  send(socketDescriptor: number, fileDescriptor: number, positionBytes: number, bytes: number): Promise<number>;
}

let loading: Promise<KernelSend | undefined> | undefined;

/** `undefined` where there is none. */
export function loadKernelSend(): Promise<KernelSend | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<KernelSend | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const { default: koffi } = await import("koffi");
    // Without a name: what this process has loaded already, its C library among it, glibc or musl. The 64-bit call has a name of
    // its own only where off_t is 32 bits, and Node runs on no such system any more.
    const library = koffi.load(null);
    const sendfile = library.func("intptr_t sendfile(int, int, _Inout_ int64_t *offset, uintptr_t)");
    const dup = library.func("int dup(int)");
    const close = library.func("int close(int)");
    return {
      duplicate: (fileDescriptor) => dup(fileDescriptor),
      close: (fileDescriptor) => void close(fileDescriptor),
      send: (socketDescriptor, fileDescriptor, positionBytes, bytes) =>
        new Promise((resolve) => {
          sendfile.async(socketDescriptor, fileDescriptor, [positionBytes], bytes, (error: unknown, sent: unknown) =>
            resolve(error ? 0 : Math.max(0, Number(sent))),
          );
        }),
    };
  } catch {
    return undefined;
  }
}
