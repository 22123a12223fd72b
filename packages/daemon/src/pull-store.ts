/** The store as the pull room sees it: one face over its parts. */
import { createHash } from "node:crypto";
import type { BlobId } from "@swarmd/protocol";
import type { LinkedFile, PullStore, UrlRecord } from "./pull/ports.js";
import { showUrl } from "./pull/url-pull.js";
import type { BlobStore } from "./store/blob-store.js";
import { placeInLocalDir } from "./store/local-dir.js";
import { placeFile } from "./store/place-file.js";

type Cancellable = { readonly signal: AbortSignal };

/** Everything a pull asks of the store. */
export function pullStoreOf(store: BlobStore): PullStore {
  return {
    find: (blob, options) => store.find(blob, options),
    findPartials: () => findPartials(store),
    reserve: (bytes) => store.reserve(bytes),
    checkFileNames: (paths) => store.checkFileNames(paths),
    readRef: (repo, revision) => store.readRef(repo, revision),
    writeRef: (repo, revision, commit) => store.writeRef(repo, revision, commit),
    readTree: (key) => store.readTree(key),
    writeTree: (manifest) => store.writeTree(manifest),
    ensureInRepo: (blob, repo, options) => store.ensureInRepo(blob, repo, options),
    link: (repo, file, options) => store.link(repo, file, options),
    snapshotPath: (repo, commit) => store.snapshotPath(repo, commit),
    placeFile: async (blobPath: string, target: string, options: Cancellable) => {
      await placeFile(blobPath, target, options);
    },
    placeInLocalDir: (localDir: string, blobPath: string, file: LinkedFile, options: Cancellable) =>
      placeInLocalDir(localDir, blobPath, file, options),
    findUrl: (url) => store.urls.find(urlKey(url)),
    writeUrl: (record: UrlRecord) => store.urls.write(urlKey(record.url), { ...record, url: showUrl(record.url) }),
  };
}

async function findPartials(store: BlobStore): Promise<ReadonlyMap<BlobId, number>> {
  const journals = await store.stagingFiles.list();
  return new Map(
    journals.map(({ header, durable, doubtful }) => {
      const newest = new Map([...durable, ...doubtful]);
      return [header.blob as BlobId, [...newest.values()].reduce((sum, { bytes }) => sum + bytes, 0)];
    }),
  );
}

function urlKey(url: string): string {
  return createHash("sha256").update(url).digest("hex");
}
