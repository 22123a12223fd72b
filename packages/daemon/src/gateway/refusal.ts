/** What the Hub refused, as it goes on to the caller. */
import { HubError } from "./hub-error.js";
import type { HubAnswer, HubHead } from "./ports.js";
import { passedHeaders } from "./relay-headers.js";

const BAD_TOKEN = /invalid credentials/i;

/**
 * Over plain http, clients tell a missing repo from a bad token by the code alone, which the Hub leaves out for callers without a token:
 * so it is put in.
 */
export function refusalOf(answer: HubAnswer, what: string): HubError {
  const { status, fields } = answer;
  const said = fields["x-error-message"] ?? errorIn(answer.body);
  const message = said ?? `the Hub answered ${status} to a request for ${what}`;
  return new HubError(status, message, { code: codeOf(answer, said ?? ""), headers: passedHeaders(fields) });
}

/** The code that belongs to an answer about a repo. */
export function codeOf({ status, fields }: HubHead, said: string): string | undefined {
  const code = fields["x-error-code"];
  if (code !== undefined) return code;
  if (status === 404 || (status === 401 && !BAD_TOKEN.test(said))) return "RepoNotFound";
  return undefined;
}

function errorIn(body: Buffer): string | undefined {
  try {
    const { error } = JSON.parse(body.toString("utf8")) as { error?: unknown };
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
