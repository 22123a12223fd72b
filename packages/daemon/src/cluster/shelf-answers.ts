/** What members are told of repos, when they can't ask the origin: commits and file lists that this node has from there. */
import { type RepoFile, SwarmError } from "@swarmd/protocol";
import {
  FILES_MAX,
  FILES_PER_ANSWER_MAX,
  type MemberRequest,
  type MemberResponse,
  type ShareGated,
} from "@swarmd/protocol/wire";
import type { RepoShelf } from "./ports.js";

type Question = Extract<MemberRequest, { readonly type: "resolve" | "list-files" }>;

/** About; one answer may have a megabyte. */
const PAGE_BYTES = 512 * 1024;
/** A digest, a xet hash, a size, tags. */
const FILE_BYTES = 100;

/** Of private and gated repos only where every member may have them: who asks here can't show that its token opens them. */
export async function answerFromShelf(
  question: Question,
  shareGated: ShareGated,
  shelf: RepoShelf,
): Promise<MemberResponse> {
  const { repo } = question;
  const isPrivate = await shelf.isPrivate(repo);
  if (isPrivate && shareGated !== "members") throw lacks();
  if (question.type === "resolve") {
    const found = await shelf.resolve(repo, question.revision);
    if (found === undefined) throw lacks();
    return { type: "resolved", commit: found.commit, isPrivate, ageMs: found.ageMs };
  }
  const files = await shelf.files(repo, question.commit);
  if (files === undefined || files.length > FILES_MAX) throw lacks();
  return { type: "files", total: files.length, files: pageFrom(files, question.from) };
}

function pageFrom(files: readonly RepoFile[], from: number): readonly RepoFile[] {
  const page: RepoFile[] = [];
  let bytes = 0;
  for (let index = from; index < files.length && page.length < FILES_PER_ANSWER_MAX; index += 1) {
    const file = files[index] as RepoFile;
    bytes += FILE_BYTES + 3 * file.path.length;
    if (bytes > PAGE_BYTES) break;
    page.push(file);
  }
  return page;
}

/** The same for what is not here and for what the asker may not have. */
function lacks(): SwarmError {
  return new SwarmError("PEER_LACKS", "nothing is known here of this repo");
}
