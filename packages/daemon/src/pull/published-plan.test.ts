import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BlobId,
  type CommitId,
  type NodeId,
  parseNodeId,
  parseRepoName,
  parseRevision,
  type RepoFile,
  SwarmError,
  toSwarmError,
} from "@swarmd/protocol";
import type { Publication } from "@swarmd/protocol/wire";
import type { PublishedAnswer } from "./ports.js";
import { type AnyPlanDeps, planAny } from "./published-plan.js";

const [ANN, BEN] = [parseNodeId("ann"), parseNodeId("ben")];
const REPO = { type: "model", name: parseRepoName("me/tuned") } as const;
const SIGNAL = new AbortController().signal;
const FILES: readonly RepoFile[] = [{ path: "model.gguf", sizeBytes: 5, blob: `sha256:${"1".repeat(64)}` as BlobId }];
const OF_ORIGIN = "0".repeat(40) as CommitId;
const OF_NODE = "d".repeat(40) as CommitId;

const publication = {
  repo: REPO,
  revision: parseRevision("main"),
  commit: OF_NODE,
  publisher: ANN,
  cluster: "open",
} as Publication;
const FOUND: PublishedAnswer = { kind: "found", because: "named", chosen: { publication, holders: [ANN] } };

interface World {
  /** What the origin says of the name. */
  readonly origin: "has it" | "has it not" | "is down";
  /** Whose files were taken under the name before. */
  readonly taken?: NodeId;
  /** The origin was once heard to have it. */
  readonly wasOrigins?: true;
  readonly published?: PublishedAnswer;
  readonly from?: NodeId;
  readonly offline?: true;
}

async function outcome(world: World): Promise<string> {
  const warnings: string[] = [];
  const errors = { "has it not": "REPO_NOT_FOUND", "is down": "ORIGIN_UNREACHABLE" } as const;
  const deps: AnyPlanDeps = {
    origin: {
      resolve: async () => {
        if (world.origin !== "has it") throw new SwarmError(errors[world.origin], "no");
        return { commit: OF_ORIGIN, isPrivate: false, isGated: false };
      },
      tree: async () => FILES,
    },
    store: {
      readRef: async () => undefined,
      readTree: async () => undefined,
      writeTree: async () => undefined,
      checkFileNames: async () => undefined,
    },
    visibility: {
      find: async () => (world.wasOrigins ? { isPrivate: false, isGated: false } : undefined),
      note: async () => undefined,
    },
    members: { areThere: false, shareGated: false, resolve: async () => undefined, files: async () => undefined },
    basis: { find: async () => undefined, note: async () => undefined, clear: async () => undefined },
    published: {
      publisherOf: async () => world.taken,
      choose: async () => world.published ?? { kind: "nobody" },
      filesOf: async () => FILES,
      keep: async () => undefined,
      nameAtOrigin: async () =>
        (({ "has it": "exists", "has it not": "absent", "is down": "unknown" }) as const)[world.origin],
    },
    warn: (message) => void warnings.push(message),
  };
  const { from, offline = false } = world;
  const request = { repo: REPO, revision: parseRevision("main"), include: [], exclude: [], offline, from };
  try {
    const { manifest, mayAskOrigin } = await planAny(request, deps, SIGNAL);
    if (manifest.commit === OF_ORIGIN) return "the origin's";
    assert.equal(mayAskOrigin, false);
    assert.ok(
      warnings.some((text) => text.includes("is published by node ann on this LAN, by no origin")),
      warnings.join(),
    );
    return warnings.some((text) => text.includes("the origin has a repo"))
      ? "the node's, and said that there are two"
      : "the node's";
  } catch (error) {
    const { code, message, hint = "" } = toSwarmError(error);
    return `${code}${/--from ann/.test(hint) ? ", told how to name the node" : ""}${message.includes("at the origin") ? ", there are two" : ""}`;
  }
}

const UNTRUSTED: PublishedAnswer = { kind: "untrusted", publishers: [ANN] };
const MEMBER: PublishedAnswer = { ...FOUND, because: "member" };

const CASES: readonly (readonly [id: string, world: World, expect: string])[] = [
  ["the origin's repo is the origin's", { origin: "has it" }, "the origin's"],
  ["whatever a trusted node publishes under its name", { origin: "has it", published: MEMBER }, "the origin's"],
  ["what neither has is not found", { origin: "has it not" }, "REPO_NOT_FOUND"],
  [
    "a stranger's is only told of",
    { origin: "has it not", published: UNTRUSTED },
    "REPO_NOT_FOUND, told how to name the node",
  ],
  ["a member's is taken", { origin: "has it not", published: MEMBER }, "the node's"],
  ["a member's is taken while the origin is down", { origin: "is down", published: MEMBER }, "the node's"],
  ["and offline", { origin: "is down", offline: true, published: MEMBER }, "the node's"],
  [
    "but not what the origin was known to have",
    { origin: "is down", wasOrigins: true, published: MEMBER },
    "ORIGIN_UNREACHABLE",
  ],
  [
    "members that disagree need a person",
    { origin: "has it not", published: { kind: "ambiguous", publishers: [ANN, BEN] } },
    "REPO_NOT_FOUND, told how to name the node",
  ],
  ["who is named is taken", { origin: "has it not", from: ANN, published: FOUND }, "the node's"],
  ["who is named is taken while the origin is down", { origin: "is down", from: ANN, published: FOUND }, "the node's"],
  ["who is named and has nothing", { origin: "has it not", from: ANN }, "REVISION_NOT_FOUND"],
  [
    "a name of the origin's is not shadowed by naming a node",
    { origin: "has it", from: ANN, published: FOUND },
    "USAGE, there are two",
  ],
  [
    "nor while the origin is down, if it was known to have it",
    { origin: "is down", wasOrigins: true, from: ANN, published: FOUND },
    "USAGE, there are two",
  ],
  [
    "who was taken before is taken again, unnamed",
    { origin: "has it not", taken: ANN, published: FOUND },
    "the node's",
  ],
  ["and while the origin is down", { origin: "is down", taken: ANN, published: FOUND }, "the node's"],
  [
    "the origin does not take a node's name over in silence",
    { origin: "has it", taken: ANN, published: FOUND },
    "USAGE, told how to name the node, there are two",
  ],
  [
    "who was taken before may be named again, and it is said",
    { origin: "has it", taken: ANN, from: ANN, published: FOUND },
    "the node's, and said that there are two",
  ],
  [
    "somebody else may not take the name over then",
    { origin: "has it", taken: BEN, from: ANN, published: FOUND },
    "USAGE, there are two",
  ],
  [
    "another node may be named, and it is said",
    { origin: "has it not", taken: BEN, from: ANN, published: FOUND },
    "the node's",
  ],
];

describe("planAny", () => {
  for (const [id, world, expect] of CASES) it(id, async () => assert.equal(await outcome(world), expect));
});
