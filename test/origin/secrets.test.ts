/** A token, a password and a signature are planted; nothing that the origin room says may hold one of them. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { inspect } from "node:util";
import type { Origin } from "@swarmd/daemon/origin/origin";
import {
  parseBlobId,
  parseCommitId,
  parseRepoName,
  parseRevision,
  toErrorBody,
  toFault,
  toSwarmError,
} from "@swarmd/protocol";
import { IMPATIENT, MemorySink, makeOrigin, NEVER } from "./origin-kit.js";
import { type RawAnswer, RawServer, say } from "./raw-server.js";

const TOKEN = "hf_tokenTokenTOKEN";
const PASSWORD = "passPassPASS";
const SIGNATURE = "sigSigSIG";
const SECRETS = [TOKEN, PASSWORD, SIGNATURE, btoa(`me:${PASSWORD}`)];

const repo = { type: "model", name: parseRepoName("org/name") } as const;
const COMMIT = parseCommitId("c".repeat(40));
const SHA256 = "a".repeat(64);
const BLOB = parseBlobId(`sha256:${SHA256}`);
const URL_BLOB = parseBlobId(`url:${SHA256}:${"0".repeat(16)}:100`);

let hub: RawServer;
let cdn: RawServer;
before(async () => {
  hub = await RawServer.start(() => {});
  cdn = await RawServer.start(() => {});
});
after(() => Promise.all([hub.stop(), cdn.stop()]));

/** Servers that repeat what they were sent, in every place where that might end up in an error. */
const echo = (status: number, fields: Record<string, string> = {}): RawAnswer => {
  return (request, socket) => {
    const said = `${JSON.stringify(request.fields)} ${request.path}`;
    const more = { "X-Error-Message": said, "X-Error-Code": TOKEN, ETag: `"${SIGNATURE}"`, ...fields };
    socket.write(say(status, more, `{"error": ${JSON.stringify(said)}`));
  };
};

const breakages: [string, RawAnswer][] = [
  ...[200, 206, 400, 401, 403, 404, 410, 416, 429, 500, 503].map((status): [string, RawAnswer] => [
    `${status}`,
    echo(status),
  ]),
  ["429 with a time", echo(429, { "Retry-After": "900" })],
  ["a wrong range", echo(206, { "Content-Range": `bytes 1-2/3`, "Content-Encoding": SIGNATURE })],
  ["a bad redirect", echo(302, { Location: `ftp://me:${PASSWORD}@x/?sig=${SIGNATURE}` })],
  ["a redirect that is no address", echo(302, { Location: `http://[${SIGNATURE}` })],
  ["not HTTP", (request, socket) => socket.write(`${request.path} ${JSON.stringify(request.fields)}\r\n\r\n`)],
  [
    "HTTP, then not",
    (request, socket) => socket.write(`HTTP/1.1 302 x\r\nLocation: /?${SIGNATURE}\r\n${request.path}\0\r\n\r\n`),
  ],
  ["reset", (_, socket) => socket.resetAndDestroy()],
  ["closed", (_, socket) => socket.end()],
  ["silence", () => {}],
];

for (const [id, breakage] of breakages) {
  it(`nothing leaks from the Hub, a URL or a CDN that answers: ${id}`, async () => {
    const events: unknown[] = [];
    const options = { token: TOKEN, ...IMPATIENT, connectTimeoutMs: 1000 };
    const origin = makeOrigin(hub.url, options, { emit: (event) => void events.push(event) });
    try {
      hub.answer = breakage;
      const said = await failAll(origin);
      hub.answer = (_, socket) => {
        socket.write(say(302, { Location: `${cdn.url.replace("//", `//me:${PASSWORD}@`)}/f?Signature=${SIGNATURE}` }));
      };
      cdn.answer = breakage;
      said.push(...(await failAll(origin)));
      assert.ok(said.length >= 5, "these were meant to fail");
      for (const text of [...said, ...events.map(everything)]) {
        for (const secret of SECRETS) assert.ok(!text.includes(secret), `${secret} in: ${text}`);
      }
    } finally {
      await origin.stop();
    }
  });
}

/** Tries all that the room can do; answers with all that can be read in the errors. */
async function failAll(origin: Origin): Promise<string[]> {
  const url = `http://me:${PASSWORD}@${hub.host}/f?sig=${SIGNATURE}`;
  const signal = { signal: NEVER };
  origin.sources.register(BLOB, { kind: "hub", repo, commit: COMMIT, path: "w.bin", sizeBytes: 100 });
  origin.sources.register(URL_BLOB, { kind: "url", url, sizeBytes: 100, validators: { etag: '"v1"' } });
  const outcomes = await Promise.allSettled([
    origin.hub.manifest(repo, parseRevision("main"), signal),
    origin.hub.tree(repo, COMMIT, signal),
    origin.urls.describe(url, signal),
    origin.urls.isUnchanged(url, { etag: '"v1"' }, signal),
    origin.sources.read(BLOB, 0, 10, new MemorySink(), signal),
    origin.sources.read(URL_BLOB, 0, 10, new MemorySink(), signal),
    origin.sources.read(URL_BLOB, 0, 10, new MemorySink(), { signal: AbortSignal.abort() }),
  ]);
  return outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [everything(outcome.reason)] : []));
}

function everything(thing: unknown): string {
  const shown = inspect(thing, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null });
  if (!(thing instanceof Error)) return shown + JSON.stringify(thing);
  const error = toSwarmError(thing);
  return [
    shown,
    thing.stack,
    JSON.stringify(thing),
    JSON.stringify(toErrorBody(error)),
    JSON.stringify(toFault(error)),
  ].join("\n");
}
