/** Where the head of a tensor file comes from: a whole file of the cache, else the origin, else a peer that has all of it. */
import { open } from "node:fs/promises";
import type { BlobId, NodeId, RepoFile } from "@swarmd/protocol";
import type { HeadSource, HeadSources, PlannedRepo } from "./manifest/ports.js";
import type { Locators } from "./pull/ports.js";
import type { BlobStore } from "./store/blob-store.js";
import type { RangeSource } from "./transfer/ports.js";

export interface HeadDeps {
  readonly store: BlobStore;
  readonly locators: Locators;
  readonly originSource: RangeSource;
  readonly heldBytes: (blob: BlobId) => ReadonlyMap<NodeId, number>;
  /** `undefined` on a node that goes without peers. */
  readonly peerSource: ((peer: NodeId) => RangeSource) | undefined;
}

/** A head is small: after so many peers nobody will give it. */
const PEERS_MAX = 3;
/** For one request. */
const READ_MS = 30_000;

export function headSources(deps: HeadDeps): HeadSources {
  return {
    of(file, repo) {
      const fromOrigin = repo.mayAskOrigin && repo.publisher === undefined;
      return [
        () => openCached(file, repo, deps),
        ...(fromOrigin ? [async () => originHead(file, repo, deps)] : []),
        ...peerHeads(file, deps),
      ];
    },
  };
}

async function openCached(
  { blob, sizeBytes }: RepoFile,
  { manifest }: PlannedRepo,
  { store }: HeadDeps,
): Promise<HeadSource | undefined> {
  const found = await store.find(blob, { repo: manifest.repo, sizeBytes });
  const file = found && (await open(found.path, "r").catch(() => undefined));
  if (file === undefined) return undefined;
  return {
    name: "cache",
    async read(endBytes) {
      const bytes = Buffer.alloc(endBytes);
      const { bytesRead } = await file.read(bytes, 0, endBytes, 0);
      return bytes.subarray(0, bytesRead);
    },
    close: () => file.close(),
  };
}

function originHead(file: RepoFile, { manifest }: PlannedRepo, { locators, originSource }: HeadDeps): HeadSource {
  const { repo, commit } = manifest;
  const { blob, path, sizeBytes } = file;
  locators.register(blob, { kind: "hub", repo, commit, path, sizeBytes });
  return headOf("origin", blob, originSource);
}

function peerHeads({ blob, sizeBytes }: RepoFile, { heldBytes, peerSource }: HeadDeps) {
  if (peerSource === undefined) return [];
  const whole = [...heldBytes(blob)].filter(([, bytes]) => bytes === sizeBytes).slice(0, PEERS_MAX);
  return whole.map(
    ([peer]) =>
      async () =>
        headOf("peer", blob, peerSource(peer)),
  );
}

function headOf(name: "origin" | "peer", blob: BlobId, source: RangeSource): HeadSource {
  return {
    name,
    async read(endBytes, { signal }) {
      const chunks: Uint8Array[] = [];
      const sink = { write: (chunk: Uint8Array) => void chunks.push(chunk) };
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(READ_MS)]);
      await source.read(blob, 0, endBytes, sink, { signal: deadline });
      return Buffer.concat(chunks);
    },
    close: async () => undefined,
  };
}
