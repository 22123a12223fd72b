/** A unix socket that only its owner can reach, from its first moment on. */
import { chmodSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { SwarmError } from "@swarmd/protocol";

/** The shortest `sun_path` among the systems we run on (macOS) less its final zero. Linux would take four more. */
export const MAX_SOCKET_PATH_BYTES = 103;
const CONNECT_DEADLINE_MS = 2000;

/**
 * Binds the server. The socket of a process that died is replaced, that of a living one never.
 *
 * The caller holds the state folder's lock, so no two processes clear the same path at once.
 *
 * @throws SwarmError ADDRESS_IN_USE, STORE_FAULT, or USAGE when the path is too long for a socket.
 */
export async function bindSocket(server: Server, path: string): Promise<void> {
  const length = Buffer.byteLength(path);
  if (length > MAX_SOCKET_PATH_BYTES) {
    throw new SwarmError(
      "USAGE",
      `the path of the socket is ${length} bytes long, and a socket's may have ${MAX_SOCKET_PATH_BYTES}: ${path}`,
      {
        hint: "Choose a state folder with a shorter path: --state-dir DIR or SWARM_HOME.",
      },
    );
  }
  if (await isAlive(path)) throw addressInUse(path);
  await unlinkSocket(path);
  await listenPrivately(server, path);
}

/** Whether a process accepts connections at this path. */
export async function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    // One that neither accepts nor refuses is alive and busy.
    socket.setTimeout(CONNECT_DEADLINE_MS, () => settle(true));
    socket.once("connect", () => settle(true));
    socket.once("error", (error: NodeJS.ErrnoException) => settle(error.code === "EACCES"));
  });
}

/** Removes the socket file; one that is gone already is fine. @throws SwarmError STORE_FAULT */
export async function unlinkSocket(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    throw new SwarmError("STORE_FAULT", `the old socket ${path} can't be removed (${code})`, { cause });
  }
}

function listenPrivately(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const failure = new SwarmError("STORE_FAULT", `the socket ${path} can't be opened (${cause.code})`, { cause });
      reject(cause.code === "EADDRINUSE" ? addressInUse(path) : failure);
    });
    server.once("listening", () => resolve());
    // `listen` binds before it returns, so the umask holds for the socket and for nothing else this thread makes.
    const umask = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(umask);
    }
    // Some systems ignore the umask for sockets.
    if (server.listening) chmodSync(path, 0o600);
  });
}

function addressInUse(path: string): SwarmError {
  return new SwarmError("ADDRESS_IN_USE", `another process answers on ${path}`, {
    hint: "Stop it (swarmd stop), or give this node a state folder of its own with --state-dir.",
  });
}
