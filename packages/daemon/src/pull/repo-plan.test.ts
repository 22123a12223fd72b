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
} from "@swarmd/protocol";
import type { AnchorBasis, PullStore, RepoMembers, RepoOrigin } from "./ports.js";
import { blobsInOrder, headBytesOf, planRepo } from "./repo-plan.js";

const COMMIT = "c".repeat(40) as CommitId;
const REPO = { type: "model", name: parseRepoName("org/name") } as const;
const SIGNAL = new AbortController().signal;

function file(path: string, sizeBytes: number, digit: string): RepoFile {
  return { path, sizeBytes, blob: `sha256:${digit.repeat(64)}` as BlobId };
}

const FILES = [file("big.safetensors", 5_000_000, "1"), file("config.json", 10, "2"), file("copy.json", 10, "2")];

const OPEN = { isPrivate: false, isGated: false };

/** An origin and a store that know what they are told, and note what they are asked. */
function world(options: {
  ref?: CommitId;
  tree?: readonly RepoFile[];
  down?: SwarmError;
  isGated?: boolean;
  known?: typeof OPEN;
  members?: Partial<RepoMembers>;
  basis?: { readonly member: NodeId };
}) {
  const asked: string[] = [];
  const warnings: string[] = [];
  const noted: (typeof OPEN | undefined)[] = [];
  const origin: RepoOrigin = {
    resolve: async () => {
      asked.push("resolve");
      if (options.down !== undefined) throw options.down;
      return { commit: COMMIT, isPrivate: false, isGated: options.isGated === true };
    },
    tree: async () => {
      asked.push("tree");
      return FILES;
    },
  };
  const store: Pick<PullStore, "readRef" | "readTree" | "writeTree" | "checkFileNames"> = {
    readRef: async () => options.ref,
    readTree: async () => options.tree,
    writeTree: async () => {
      asked.push("writeTree");
    },
    checkFileNames: async () => {},
  };
  const visibility = {
    find: async () => options.known,
    note: async (_repo: unknown, said: typeof OPEN | undefined) => void noted.push(said),
  };
  const members: RepoMembers = {
    areThere: false,
    shareGated: false,
    resolve: async () => undefined,
    files: async () => undefined,
    ...options.members,
  };
  const bases = new Map<string, { readonly member: NodeId }>();
  if (options.basis !== undefined) bases.set(COMMIT, options.basis);
  const basis: AnchorBasis = {
    find: async (_repo, commit) => bases.get(commit),
    note: async (_repo, commit, one) => void bases.set(commit, one),
    clear: async (_repo, commit) => void bases.delete(commit),
  };
  const warn = (message: string) => void warnings.push(message);
  return { asked, warnings, noted, bases, deps: { origin, visibility, store, members, basis, warn } };
}

function request(more: { revision?: string; include?: string[]; offline?: boolean } = {}) {
  return {
    repo: REPO,
    revision: parseRevision(more.revision ?? "main"),
    include: more.include ?? [],
    exclude: [],
    offline: more.offline ?? false,
  };
}

describe("planRepo", () => {
  const cases = [
    { id: "asks the origin for both the first time", world: {}, asked: ["resolve", "tree", "writeTree"] },
    { id: "asks only what the branch is when the list is known", world: { tree: FILES }, asked: ["resolve"] },
    { id: "asks nothing for a known commit", world: { tree: FILES }, revision: COMMIT, asked: [] },
    { id: "asks nothing offline", world: { ref: COMMIT, tree: FILES }, offline: true, asked: [] },
  ];
  for (const { id, world: knows, asked: expected, ...more } of cases) {
    it(id, async () => {
      const { asked, deps } = world(knows);
      const plan = await planRepo(request(more), deps, SIGNAL);
      assert.equal(plan.manifest.commit, COMMIT);
      assert.deepEqual(asked, expected);
    });
  }

  it("goes by the last ref when the origin is down, and says so", async () => {
    const { warnings, deps } = world({
      ref: COMMIT,
      tree: FILES,
      down: new SwarmError("ORIGIN_UNREACHABLE", "no line"),
    });
    const plan = await planRepo(request(), deps, SIGNAL);
    assert.equal(plan.manifest.commit, COMMIT);
    assert.match(warnings[0] ?? "", /no line.*last pulled/);
  });

  for (const isGated of [false, true]) {
    it(`counts a ${isGated ? "gated repo as private: strangers never hear of it" : "public repo as public"}`, async () => {
      const plan = await planRepo(request(), world({ isGated }).deps, SIGNAL);
      assert.equal(plan.isPrivate, isGated);
    });
  }

  it("does not take a refusal for a line that is down", async () => {
    const { deps } = world({ ref: COMMIT, tree: FILES, down: new SwarmError("REPO_NOT_FOUND", "gone") });
    await assert.rejects(planRepo(request(), deps, SIGNAL), { code: "REPO_NOT_FOUND" });
  });

  it("offline, without a ref, says what to do", async () => {
    await assert.rejects(planRepo(request({ offline: true }), world({}).deps, SIGNAL), {
      code: "OFFLINE",
      hint: /--offline/,
    });
  });

  it("refuses a choice that leaves nothing", async () => {
    await assert.rejects(planRepo(request({ include: ["*.gguf"] }), world({}).deps, SIGNAL), {
      code: "FILE_NOT_FOUND",
    });
  });
});

describe("blobsInOrder", () => {
  it("puts small files first, and equal files together", () => {
    assert.deepEqual(
      blobsInOrder(FILES).map(({ files }) => files.map(({ path }) => path)),
      [["config.json", "copy.json"], ["big.safetensors"]],
    );
  });
});

describe("headBytesOf", () => {
  for (const [path, hasHead] of [
    ["a.safetensors", true],
    ["b.GGUF", true],
    ["c.bin", false],
    ["safetensors", false],
  ] as const) {
    it(`${path}: ${hasHead ? "a header" : "none"}`, () => assert.equal(headBytesOf(path) > 0, hasHead));
  }
});

describe("who may see a repo", () => {
  const gated = { isPrivate: false, isGated: true };
  const down = new SwarmError("ORIGIN_UNREACHABLE", "no route");
  const table = [
    { id: "a known commit of which the origin said nothing", revision: COMMIT, isPrivate: true },
    { id: "a known commit that the origin called open", revision: COMMIT, known: OPEN, isPrivate: false },
    { id: "a known commit that the origin called gated", revision: COMMIT, known: gated, isPrivate: true },
    { id: "a branch, offline, once called open", offline: true, known: OPEN, isPrivate: false },
    { id: "a branch, offline, of which nothing is known", offline: true, isPrivate: true },
    { id: "a branch while the origin is down, once called open", down, known: OPEN, isPrivate: false },
    { id: "a branch while the origin is down, of which nothing is known", down, isPrivate: true },
  ];
  for (const { id, isPrivate, known, down: failure, ...asked } of table) {
    it(`${id}: ${isPrivate ? "members of the cluster only" : "everybody"}`, async () => {
      const more = { ...(known === undefined ? {} : { known }), ...(failure === undefined ? {} : { down: failure }) };
      const { deps } = world({ ref: COMMIT, tree: FILES, ...more });
      assert.equal((await planRepo(request(asked), deps, SIGNAL)).isPrivate, isPrivate);
    });
  }

  it("is noted when the origin speaks, and forgotten when it denies the repo; silence changes nothing", async () => {
    const open = world({ tree: FILES });
    await planRepo(request(), open.deps, SIGNAL);
    assert.deepEqual(open.noted, [{ isPrivate: false, isGated: false }]);
    const denied = world({ tree: FILES, down: new SwarmError("REPO_NOT_FOUND", "gone") });
    await assert.rejects(planRepo(request(), denied.deps, SIGNAL), { code: "REPO_NOT_FOUND" });
    assert.deepEqual(denied.noted, [undefined]);
    const silent = world({ ref: COMMIT, tree: FILES, down });
    await planRepo(request(), silent.deps, SIGNAL);
    assert.deepEqual(silent.noted, []);
  });
});

describe("planRepo in a cluster", () => {
  const MEMBER = parseNodeId("member");
  const DOWN = new SwarmError("ORIGIN_UNREACHABLE", "no network");
  const NO = new SwarmError("REPO_NOT_FOUND", "no such repo");
  const knowing: Partial<RepoMembers> = {
    areThere: true,
    resolve: async () => ({ commit: COMMIT, isPrivate: false, from: MEMBER }),
    files: async () => ({ files: FILES, from: MEMBER }),
  };

  it("takes commit and list from a member when the origin is out of reach, and notes on whose word", async () => {
    for (const { down, offline } of [
      { down: DOWN, offline: false },
      { down: DOWN, offline: true },
    ]) {
      const { deps, bases, warnings } = world({ down, members: knowing });
      const plan = await planRepo(request({ offline }), deps, SIGNAL);
      assert.deepEqual(plan.manifest.files, FILES);
      assert.deepEqual([plan.hasAccess, plan.mayAskOrigin, plan.isPrivate], [false, !offline, false]);
      assert.deepEqual(bases.get(COMMIT), { member: MEMBER });
      assert.match(warnings.join(), /says member/);
    }
  });

  it("takes a member's word for what the origin refuses only where all members share", async () => {
    const strict = world({ down: NO, members: knowing });
    await assert.rejects(planRepo(request(), strict.deps, SIGNAL), (error) => error === NO);
    const { deps } = world({ down: NO, members: { ...knowing, shareGated: true } });
    const plan = await planRepo(request(), deps, SIGNAL);
    assert.deepEqual([plan.hasAccess, plan.mayAskOrigin], [false, false]);
  });

  it("says so when no member knows it, and never asks them in open mode", async () => {
    const { deps } = world({ down: DOWN, members: { ...knowing, resolve: async () => undefined } });
    await assert.rejects(planRepo(request(), deps, SIGNAL), /no network; and no member of the cluster/);
    const open = world({ down: DOWN, members: { ...knowing, areThere: false } });
    await assert.rejects(planRepo(request(), open.deps, SIGNAL), (error) => error === DOWN);
    await assert.rejects(planRepo(request({ offline: true }), open.deps, SIGNAL), /the node is offline/);
  });

  it("holds a member's list against the origin's as soon as that can be asked", async () => {
    const { deps, bases, warnings, asked } = world({
      tree: [file("big.safetensors", 5_000_000, "9")],
      basis: { member: MEMBER },
      members: knowing,
    });
    const plan = await planRepo(request(), deps, SIGNAL);
    assert.deepEqual(plan.manifest.files, FILES);
    assert.deepEqual(asked, ["resolve", "tree", "writeTree"]);
    assert.equal(bases.size, 0);
    assert.match(warnings.join(), /another file list/);
  });

  it("knows that its token opens a gated repo only from the list of hashes", async () => {
    const { deps, asked } = world({ tree: FILES, isGated: true, members: knowing });
    const plan = await planRepo(request(), deps, SIGNAL);
    assert.deepEqual([plan.isPrivate, plan.hasAccess], [true, true]);
    assert.deepEqual(asked, ["resolve", "tree"]);
  });
});
