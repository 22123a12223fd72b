/** From a request to the end of its answer: what goes wrong before it, the handler, or what the handler throws instead. */
import { EarlyAnswer } from "./early-answer.js";
import type { Exchange } from "./exchange.js";
import { exhaustedHeaders } from "./quota.js";

/** Faults that strike before an answer, then the answer, or what was thrown in its place. */
export async function answer(ex: Exchange, handle: () => Promise<void>): Promise<void> {
  try {
    const lateMs = ex.context.settings.latencyMs + (ex.faults.take("latency")?.ms ?? 0);
    if (lateMs > 0 && !(await ex.pause(lateMs))) return;
    if (ex.faults.take("hangUp")) return ex.reset();
    const silent = ex.faults.take("silent");
    if (silent && !(await ex.pause(silent.forMs))) return;
    throwStatusFaults(ex);
    await handle();
  } catch (error) {
    if (!(error instanceof EarlyAnswer)) throw error;
    sendEarly(ex, error);
  }
}

function throwStatusFaults(ex: Exchange): void {
  const limited = ex.faults.take("rateLimited");
  if (limited) {
    const reset = limited.rateLimitResetS;
    const retryAfter = limited.retryAfterS ?? (reset === undefined ? 1 : undefined);
    throw new EarlyAnswer(429, "Too many requests.", {
      ...(retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) }),
      ...(reset === undefined ? {} : exhaustedHeaders(ex.route.kind, reset)),
    });
  }
  const status = ex.faults.take("status");
  if (!status) return;
  const headers = status.retryAfterS === undefined ? undefined : { "Retry-After": String(status.retryAfterS) };
  throw new EarlyAnswer(status.status, `The embedded Hub was told to answer ${status.status}.`, headers);
}

function sendEarly(ex: Exchange, early: EarlyAnswer): void {
  if (ex.isClosed || ex.res.headersSent) return;
  const body = early.body ?? {
    type: "application/json; charset=utf-8",
    text: JSON.stringify({ error: early.message }),
  };
  const length = String(Buffer.byteLength(body.text));
  ex.writeHead(early.status, { ...early.headers, "Content-Type": body.type, "Content-Length": length });
  ex.res.end(ex.req.method === "HEAD" ? undefined : body.text);
}
