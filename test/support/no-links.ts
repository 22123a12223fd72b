/**
 * Loaded into a daemon before anything else (`--import`): from then on the kernel refuses it every symbolic and every hard link, as a
 * file system does that has none. By a filter of system calls, because such a file system can't be mounted everywhere.
 */
import { createRequire } from "node:module";
import { arch, platform } from "node:process";

/** symlink, symlinkat, link, linkat. */
const CALLS: Readonly<Record<string, readonly number[]>> = { x64: [88, 266, 86, 265], arm64: [36, 37] };
const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
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

/** For this thread and all that it starts: the threads that do file work start with the first of it. @throws Error */
function refuseLinks(): void {
  const require = createRequire(new URL("../../../packages/daemon/package.json", import.meta.url));
  const koffi = require("koffi");
  const program = koffi.struct("sock_fprog", { len: "uint16_t", filter: "uint8_t *" });
  const libc = koffi.load(null);
  const prctl = libc.func("prctl", "int", [
    "int",
    "unsigned long",
    koffi.pointer(program),
    "unsigned long",
    "unsigned long",
  ]);
  const filter = filterOf(CALLS[arch] as readonly number[]);
  const isSet =
    prctl(PR_SET_NO_NEW_PRIVS, 1, null, 0, 0) === 0 &&
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, { len: filter.length / 8, filter }, 0, 0) === 0;
  if (!isSet) throw new Error("the kernel takes no filter");
}

if (process.env.SWARM_TEST_NO_LINKS === "1") refuseLinks();
