/** Reads the JSON body of one request, within bounds. */
import type { IncomingMessage } from "node:http";
import { SwarmError } from "@swarmd/protocol";

/** The longest honest request is a pull with a thousand patterns. */
export const MAX_BODY_BYTES = 1024 * 1024;

const MAX_DRAINED_BYTES = 16 * MAX_BODY_BYTES;

/** The parsed body; `undefined` when there is none. @throws SwarmError USAGE */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
    // Read on for a while, and keep nothing: a client hears the answer only once it has sent its request.
    else if (length > MAX_DRAINED_BYTES) break;
  }
  if (length > MAX_BODY_BYTES) throw new SwarmError("USAGE", `the request body is longer than ${MAX_BODY_BYTES} bytes`);
  if (length === 0) return undefined;
  // A page can post plain text and forms to anywhere without asking; JSON it can't.
  if (!/^application\/json(?:;|$)/i.test(request.headers["content-type"] ?? "")) {
    throw new SwarmError("USAGE", "the request body is not declared as application/json");
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new SwarmError("USAGE", `the request body is no JSON: ${(cause as Error).message}`, { cause });
  }
}
