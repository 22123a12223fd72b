/** The answers that carry files: resolve, raw, resolve-cache, the CDN, and the plain face `/files/<name>`. */
import { admitToRepo, passGate } from "./access.js";
import { bytesContent } from "./content.js";
import { lfsPointer, sha1Hex } from "./digest.js";
import { EarlyAnswer } from "./early-answer.js";
import type { Exchange } from "./exchange.js";
import { entryNotFound, splitRevision } from "./repo-routes.js";
import { anchorOf, type HubCommit, type HubFile, type HubRepo, treeOidOf } from "./repos.js";
import { changedEtag, sendContent } from "./send-content.js";
import type { Opened } from "./url-signer.js";

export async function answerResolve(ex: Exchange): Promise<void> {
  const { repo, commit, file } = locate(ex);
  if (file.isLfs) throw await redirectToCdn(ex, repo, commit, file);
  if (!isServedDirectly(ex, repo, file)) throw await redirectToCache(ex, repo, commit, file);
  await sendSmall(ex, repo, commit, file);
}

/** Where a small file's 307 leads. Clients may drop the query, so nothing depends on it. */
export async function answerResolveCache(ex: Exchange): Promise<void> {
  const { repo, commit, file } = locate(ex);
  if (file.isLfs) throw await redirectToCdn(ex, repo, commit, file);
  await sendSmall(ex, repo, commit, file);
}

/** What git holds: the file itself, or the pointer of an LFS file. */
export async function answerRaw(ex: Exchange): Promise<void> {
  const { repo, commit, file } = locate(ex);
  if (!file.isLfs) return sendSmall(ex, repo, commit, file);
  const pointer = lfsPointer(await anchorOf(file), file.content.sizeBytes);
  await sendContent(ex, {
    content: bytesContent(pointer),
    contentType: "text/plain; charset=utf-8",
    etag: `"${await treeOidOf(file)}"`,
    headers: { "X-Repo-Commit": commit.id },
  });
}

/** The second listener: only signed URLs, no tokens, XML for errors. */
export async function answerCdn(ex: Exchange, opened: Opened): Promise<void> {
  if ("refusal" in opened) throw refuse(opened.refusal);
  const { grant, nonce } = opened;
  if (ex.faults.take("expiredUrl")) {
    ex.context.signer.expire(nonce);
    throw refuse("expired");
  }
  const repo = ex.context.repos.all().find((one) => one.urlPath === grant.repo);
  const file = repo?.findCommit(grant.commit)?.files.get(grant.path);
  if (!repo || !file) throw EarlyAnswer.xml(404, "NoSuchKey", "There is nothing under this key.");
  await sendContent(ex, {
    content: file.content,
    contentType: "application/octet-stream",
    file: `${repo.urlPath}/${file.path}`,
    // Its own, as an object store's is: the digest stands on the 302 alone.
    etag: `"${sha1Hex(file.content.key).slice(0, 32)}"`,
    lastModified: file.commit.date,
    headers: {
      "Content-Disposition": `attachment; filename="${fileNameOf(file.path)}"`,
      ...(ex.context.settings.cdnSaysCloudfront ? { "X-Cache": "Hit from cloudfront" } : {}),
    },
  });
}

export async function answerPlainFile(ex: Exchange): Promise<void> {
  const name = ex.route.rest.join("/");
  const file = ex.faults.take("missingFile") ? undefined : ex.context.plainFiles.get(name);
  if (!file) throw new EarlyAnswer(404, `There is no file ${name}.`);
  if (file.redirectTo !== undefined) throw EarlyAnswer.redirect(302, file.redirectTo);
  if (file.head === false && ex.req.method === "HEAD")
    throw new EarlyAnswer(405, "HEAD is not allowed.", { Allow: "GET" });
  await sendContent(ex, {
    content: file.content,
    contentType: file.contentType ?? "application/octet-stream",
    file: `files/${name}`,
    etag: file.etagHeader,
    ...(file.lastModified && { lastModified: file.lastModified }),
    ...(file.ranges !== undefined && { ranges: file.ranges }),
    ...(file.length !== undefined && { length: file.length }),
  });
}

/** In the Hub's order: repo, gate, revision, file. */
function locate(ex: Exchange): { repo: HubRepo; commit: HubCommit; file: HubFile } {
  const repo = admitToRepo(ex);
  passGate(ex, repo, ex.route.rest.at(-1) ?? "");
  const { commit, path } = splitRevision(ex, repo, ex.route.rest);
  const file = ex.faults.take("missingFile") ? undefined : commit.files.get(path);
  if (!file) throw entryNotFound(commit);
  return { repo, commit, file };
}

/** The real Hub redirects small files only where a shared cache may hold them: public, with an owner, not empty. */
function isServedDirectly(ex: Exchange, repo: HubRepo, file: HubFile): boolean {
  if (ex.context.settings.smallFiles === "direct") return true;
  return repo.isPrivate || repo.isGated || !repo.name.includes("/") || file.content.sizeBytes === 0;
}

async function redirectToCache(ex: Exchange, repo: HubRepo, commit: HubCommit, file: HubFile): Promise<EarlyAnswer> {
  const path = [`${repo.type}s`, ...repo.name.split("/"), commit.id, ...file.path.split("/")].map(encodeURIComponent);
  const query = `${encodeURIComponent(ex.url.pathname)}=&etag=${encodeURIComponent(`"${await anchorOf(file)}"`)}`;
  return EarlyAnswer.redirect(307, `/api/resolve-cache/${path.join("/")}?${query}`, {
    "X-Repo-Commit": commit.id,
    "Accept-Ranges": "bytes",
  });
}

async function redirectToCdn(ex: Exchange, repo: HubRepo, commit: HubCommit, file: HubFile): Promise<EarlyAnswer> {
  const sha256 = await anchorOf(file);
  const grant = { repo: repo.urlPath, commit: commit.id, path: file.path };
  const query = ex.context.signer.sign(grant, ex.context.settings.signedUrlTtlMs);
  const etag = `"${sha256}"`;
  return EarlyAnswer.redirect(302, `${ex.context.cdnUrl}/repos/${sha256.slice(0, 2)}/${sha256}?${query}`, {
    "X-Repo-Commit": commit.id,
    "X-Linked-Etag": ex.faults.take("etagChanged") ? changedEtag(etag) : etag,
    "X-Linked-Size": String(file.content.sizeBytes),
    "Accept-Ranges": "bytes",
    ...(file.xetHash === undefined ? {} : { "X-Xet-Hash": file.xetHash }),
  });
}

async function sendSmall(ex: Exchange, repo: HubRepo, commit: HubCommit, file: HubFile): Promise<void> {
  await sendContent(ex, {
    content: file.content,
    contentType: contentTypeOf(file.path),
    file: `${repo.urlPath}/${file.path}`,
    etag: `"${await anchorOf(file)}"`,
    headers: { "X-Repo-Commit": commit.id, "Content-Disposition": `inline; filename="${fileNameOf(file.path)}"` },
  });
}

function refuse(refusal: "expired" | "invalid"): EarlyAnswer {
  if (refusal === "expired") return EarlyAnswer.xml(403, "AccessDenied", "Request has expired");
  return EarlyAnswer.xml(403, "MissingKey", "The URL carries no valid signature.");
}

function fileNameOf(path: string): string {
  return encodeURIComponent(path.split("/").at(-1) ?? "");
}

function contentTypeOf(path: string): string {
  if (path.endsWith(".json")) return "application/json";
  return /\.(?:md|txt|py|ya?ml|jinja)$|\.gitattributes$/.test(path)
    ? "text/plain; charset=utf-8"
    : "application/octet-stream";
}
