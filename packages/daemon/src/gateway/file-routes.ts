/** Files of repos: `resolve` in all its forms. Answered with 200 and the bytes, never with a way elsewhere. */
import type { OutgoingHttpHeaders } from "node:http";
import { type RepoFile, SwarmError } from "@swarmd/protocol";
import type { BlobSender } from "./blob-sender.js";
import { entryOf, pointerOf } from "./own-answers.js";
import type { PatientUpstream } from "./patient-upstream.js";
import { refusalOf } from "./refusal.js";
import { passedWithType } from "./relay-headers.js";
import type { RepoAccess, RepoView } from "./repo-access.js";
import { API_TYPE, fileTarget, REPO, REVISION, repoOf, revisionOf } from "./repo-address.js";
import type { RepoFiles } from "./repo-files.js";
import type { GatewayCall, GatewayRoute } from "./route-table.js";
import { type XetOptions, xetHeaders } from "./xet-routes.js";

export interface FileRoutesDeps {
  readonly upstream: PatientUpstream;
  readonly access: RepoAccess;
  readonly files: RepoFiles;
  readonly sender: BlobSender;
  readonly xet: XetOptions;
}

export function fileRoutes(deps: FileRoutesDeps): readonly GatewayRoute[] {
  const routes = new FileRoutes(deps);
  const type = "^/(?:(?<type>models|datasets|spaces)/)?";
  return [
    {
      method: "GET",
      pattern: new RegExp(`^/api/resolve-cache/${API_TYPE}/${REPO}/(?<revision>[0-9a-f]{40})/(?<path>.+)$`),
      handle: (call) => routes.resolve(call),
    },
    {
      method: "GET",
      pattern: new RegExp(`${type}${REPO}/resolve/${REVISION}/(?<path>.+)$`),
      handle: (call) => routes.resolve(call),
    },
    {
      method: "GET",
      pattern: new RegExp(`${type}${REPO}/raw/${REVISION}/(?<path>.+)$`),
      handle: (call) => routes.raw(call),
    },
  ];
}

class FileRoutes {
  readonly #deps: FileRoutesDeps;

  constructor(deps: FileRoutesDeps) {
    this.#deps = deps;
  }

  async resolve(call: GatewayCall): Promise<void> {
    await this.#answer(call, "resolve", (view, file) =>
      sendFile(call, this.#deps.sender, view, file, xetHeaders(call, view, file, this.#deps.xet)),
    );
  }

  async #answer(
    call: GatewayCall,
    verb: "resolve" | "raw",
    send: (view: RepoView, file: RepoFile) => Promise<void>,
  ): Promise<void> {
    const { caller, params } = call;
    const repo = repoOf(params);
    const path = params.path ?? "";
    const view = await this.#deps.access.look(caller, repo, revisionOf(params));
    await this.#deps.access.checkFile(caller, view, path);
    let file: RepoFile;
    try {
      file = await this.#deps.files.get(caller, view, path);
    } catch (error) {
      // A gate hides the digests of the list, but lets everybody read some files, which the Hub has just said this caller may have.
      if (!(error instanceof SwarmError) || error.code !== "ACCESS_GATED") throw error;
      return this.#relay(call, fileTarget(repo, verb, view.commit, path));
    }
    await send(view, file);
  }

  /** What git has: for a large file the pointer that stands for it. */
  async raw(call: GatewayCall): Promise<void> {
    await this.#answer(call, "raw", async (view, file) => {
      const pointer = pointerOf(file);
      if (pointer === undefined) return sendFile(call, this.#deps.sender, view, file);
      const body = Buffer.from(pointer);
      const { oid } = entryOf(file);
      call.response.writeHead(200, {
        "content-type": "text/plain; charset=utf-8",
        "content-length": body.length,
        etag: `"${oid}"`,
        "x-repo-commit": view.commit,
      });
      call.response.end(call.isHead ? undefined : body);
    });
  }

  /** Bytes of the Hub's, as they come. */
  async #relay(call: GatewayCall, target: string): Promise<void> {
    const { caller, request, response, isHead, signal } = call;
    const range = request.headers.range;
    const asked = { method: isHead ? "HEAD" : "GET", target, authorization: caller.authorization } as const;
    let refused: { status: number; fields: Readonly<Record<string, string | undefined>> } | undefined;
    await this.#deps.upstream.stream(
      range === undefined ? asked : { ...asked, headers: { range } },
      (head) => {
        if (head.status >= 400) {
          refused = head;
          return undefined;
        }
        const { fields } = head;
        const length = fields["content-length"];
        response.writeHead(head.status, {
          ...passedWithType(fields),
          "accept-ranges": "bytes",
          ...(length === undefined ? {} : { "content-length": length }),
          ...(fields["content-range"] === undefined ? {} : { "content-range": fields["content-range"] }),
        });
        return { write: (chunk) => (response.write(chunk) ? undefined : drained(response, signal)) };
      },
      { signal },
    );
    if (refused !== undefined) throw refusalOf({ ...refused, body: Buffer.alloc(0) }, target);
    response.end();
  }
}

/** Answers with a file that the caller may have. */
export async function sendFile(
  call: GatewayCall,
  sender: BlobSender,
  view: RepoView,
  file: RepoFile,
  headers: OutgoingHttpHeaders = {},
): Promise<void> {
  const { repo, revision, commit, isRestricted, isOwn, source } = view;
  const { blob, sizeBytes, path } = file;
  const wanted = { repo, revision, commit, file, isRestricted, isOwn, isHubUp: source === "hub" };
  await sender.send(call, wanted, { blob, sizeBytes, path, commit, headers });
}

function drained(response: GatewayCall["response"], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      response.off("drain", onDrain);
      signal.removeEventListener("abort", onAbort);
    };
    const onDrain = () => {
      end();
      resolve();
    };
    const onAbort = () => {
      end();
      reject(signal.reason);
    };
    response.once("drain", onDrain);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
