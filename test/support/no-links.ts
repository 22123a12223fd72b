/**
 * Loaded into a daemon (`--import`): from a SIGUSR2 on, the kernel refuses it every symbolic and every hard link, as a file system does
 * that has none. By a filter of system calls, because such a file system can't be mounted everywhere; not from the start, because the
 * folder of the state, with its socket and its lock, lies on another one.
 */
import { createRequire } from "node:module";
import { arch, platform } from "node:process";

/** symlink, symlinkat, link, linkat. */
const CALLS: Readonly<Record<string, readonly number[]>> = { x64: [88, 266, 86, 265], arm64: [36, 37] };
const SECCOMP: Readonly<Record<string, number>> = { x64: 317, arm64: 277 };
const PR_SET_NO_NEW_PRIVS = 38;
const SET_MODE_FILTER = 1;
/** For the threads too that are there already. */
const ALL_THREADS = 1;
const EPERM = 1;
/** Of `linux/bpf_common.h` and `linux/seccomp.h`. */
const [LOAD_WORD, JUMP_IF_EQUAL, RETURN] = [0x20, 0x15, 0x06];
const [ALLOW, ERRNO] = [0x7fff0000, 0x00050000];

export const CAN_REFUSE_LINKS = platform === "linux" && CALLS[arch] !== undefined;

function filterOf(calls: readonly number[]): Buffer {
  const steps = [
    [LOAD_WORD, 0, 0, 0],
    // Each that fits jumps over what is left, to the last step.
    ...calls.map((call, at) => [JUMP_IF_EQUAL, calls.length - at, 0, call]),
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, ERRNO | EPERM],
  ] as const;
  const bytes = Buffer.alloc(steps.length * 8);
  for (const [at, [code, ifTrue, ifFalse, value]] of steps.entries()) {
    bytes.writeUInt16LE(code, at * 8);
    bytes.writeUInt8(ifTrue, at * 8 + 2);
    bytes.writeUInt8(ifFalse, at * 8 + 3);
    bytes.writeUInt32LE(value, at * 8 + 4);
  }
  return bytes;
}

/** @throws Error when the kernel takes no filter */
function refuseLinks(): void {
  const require = createRequire(new URL("../../../packages/daemon/package.json", import.meta.url));
  const koffi = require("koffi");
  const program = koffi.struct("sock_fprog", { len: "uint16_t", filter: "uint8_t *" });
  const libc = koffi.load(null);
  const prctl = libc.func("prctl", "int", ["int", "unsigned long", "unsigned long", "unsigned long", "unsigned long"]);
  const syscall = libc.func("syscall", "long", ["long", "unsigned int", "unsigned int", koffi.pointer(program)]);
  const filter = filterOf(CALLS[arch] as readonly number[]);
  const order = { len: filter.length / 8, filter };
  const isSet =
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) === 0 && syscall(SECCOMP[arch], SET_MODE_FILTER, ALL_THREADS, order) === 0;
  if (!isSet) throw new Error("the kernel takes no filter");
}

if (process.env.SWARM_TEST_NO_LINKS === "1") {
  process.on("SIGUSR2", () => {
    refuseLinks();
    process.stderr.write("links are refused\n");
  });
}
