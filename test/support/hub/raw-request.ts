/** One HTTP request with nothing done on top: no redirect followed, nothing decoded, and a broken body kept as far as it came. */
import { Agent, type IncomingHttpHeaders, request } from "node:http";

export interface RawRequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Goes away after so many body bytes. */
  readonly abortAfterBytes?: number;
  /** Goes away when nothing comes for so long. Default 10 s. */
  readonly silenceMs?: number;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
}

export interface RawAnswer {
  /** 0: no answer came. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** How it ended before its end: `ECONNRESET`, `silence`, `aborted`, … undefined: it is complete. */
  readonly failure: string | undefined;
}

/** Never rejects: a failure is a part of the answer. */
export function rawRequest(url: string, options: RawRequestOptions = {}): Promise<RawAnswer> {
  const { method = "GET", headers = {}, body, abortAfterBytes = Infinity, silenceMs = 10_000, agent } = options;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let status = 0;
    let answerHeaders: IncomingHttpHeaders = {};
    let received = 0;
    const end = (failure: string | undefined) =>
      resolve({ status, headers: answerHeaders, body: Buffer.concat(chunks), failure });
    const leave = (why: string) => {
      end(why);
      req.destroy();
    };
    const req = request(url, { method, headers, agent: agent ?? new Agent(), timeout: silenceMs }, (res) => {
      status = res.statusCode ?? 0;
      answerHeaders = res.headers;
      res.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        received += chunk.length;
        if (received >= abortAfterBytes) leave("aborted");
      });
      res.once("end", () => end(res.complete ? undefined : "truncated"));
      res.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    });
    req.once("timeout", () => leave("silence"));
    req.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    req.end(body);
  });
}
