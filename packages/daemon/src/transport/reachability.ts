/** Whether anything is at an address: asked of the machine there, not of its programs. */
import { connect } from "node:net";

/** A machine that is there says one or the other within a round trip, however busy its programs are. */
const SIGNS_OF_LIFE: readonly (string | undefined)[] = ["ECONNREFUSED", "ECONNRESET"];

/** Resolves when a TCP connection was taken or refused there, with false when neither came in time. Never rejects. */
export function isReachable(host: string, port: number, deadlineMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (isThere: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isThere);
    };
    // What came while this process was busy is looked at first.
    const timer = setTimeout(() => setImmediate(end, false), deadlineMs);
    socket.once("connect", () => end(true));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => end(SIGNS_OF_LIFE.includes(code)));
  });
}
