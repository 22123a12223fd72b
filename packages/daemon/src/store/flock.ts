/**
 * `flock(2)`: the lock that huggingface_hub takes, which Node does not offer. Called through koffi, loaded when first needed.
 */
import { SwarmError } from "@swarmd/protocol";

export interface Flock {
  /**
   * Takes the lock if it is free; `false` if somebody else holds it. The lock ends when the descriptor is closed, so with the
   * process at the latest.
   *
   * @throws SwarmError STORE_FAULT where the file system has no such locks.
   */
  tryLock(fileDescriptor: number): boolean;
}

/** The same on Linux and macOS. */
const LOCK_EX_NB = 2 | 4;

let loading: Promise<Flock | undefined> | undefined;

/** `undefined` where there is no flock: on Windows, or where koffi has no binding. */
export function loadFlock(): Promise<Flock | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Flock | undefined> {
  if (process.platform === "win32") return undefined;
  try {
    const { default: koffi } = await import("koffi");
    // Without a name: what this process has loaded already, its C library among it, glibc or musl.
    const flock = koffi.load(null).func("int flock(int, int)");
    const isBusy = (errno: number) => errno === koffi.os.errno.EWOULDBLOCK || errno === koffi.os.errno.EINTR;
    return {
      tryLock(fileDescriptor) {
        if (flock(fileDescriptor, LOCK_EX_NB) === 0) return true;
        const errno = koffi.errno();
        if (isBusy(errno)) return false;
        throw new SwarmError("STORE_FAULT", `flock failed with errno ${errno}`);
      },
    };
  } catch {
    return undefined;
  }
}
