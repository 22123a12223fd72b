/** Memory that was freed goes back to the system, instead of lying in pools of the C library: a daemon runs for weeks beside what its machine is for. */

/** `mallopt(3)`, as glibc numbers its parameters. Elsewhere there is no such function, or it does nothing. */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;
/** Large buffers are apart; those that come and go all the time, below a half MiB, are not. */
const APART_BYTES = 512 * 1024;
const KEPT_BYTES = 1024 * 1024;
/** glibc would have eight for each core, each with holes of its own. */
const MOST_ARENAS = 2;
/** A start leaves most behind. Later, what was used for one pull may lie there until the next. */
const FIRST_TRIM_MS = 5_000;
const TRIM_MS = 5 * 60_000;

/** To be called before threads start. Without koffi, or without glibc, everything stays as it is. */
export async function keepMemorySmall(): Promise<void> {
  if (process.platform !== "linux") return;
  try {
    const { default: koffi } = await import("koffi");
    const library = koffi.load(null);
    const mallopt = library.func("int mallopt(int, int)");
    const trim = library.func("int malloc_trim(size_t)");
    mallopt(M_ARENA_MAX, MOST_ARENAS);
    mallopt(M_MMAP_THRESHOLD, APART_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    // In a thread of the pool: it walks through all that is free.
    const trimBeside = () => trim.async(0, () => undefined);
    setTimeout(trimBeside, FIRST_TRIM_MS).unref();
    setInterval(trimBeside, TRIM_MS).unref();
  } catch {
    // As good as before, only larger.
  }
}
