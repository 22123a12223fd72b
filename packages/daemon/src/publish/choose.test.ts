import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CommitId, parseNodeId, parseRepoName, parseRevision } from "@swarmd/protocol";
import type { Publication } from "@swarmd/protocol/wire";
import { choosePublication, type TrustQuestion, type TrustRules } from "./choose.js";

const [ANN, BEN, EVE] = ["ann", "ben", "eve"].map((name) => parseNodeId(name)) as [
  ReturnType<typeof parseNodeId>,
  ReturnType<typeof parseNodeId>,
  ReturnType<typeof parseNodeId>,
];
const REPO = { type: "model", name: parseRepoName("me/tuned") } as const;
const commit = (digit: string) => digit.repeat(40) as CommitId;

function published(publisher: typeof ANN, digit: string, more: Partial<Publication> = {}) {
  const publication: Publication = {
    timeMs: 1,
    cluster: "open",
    repo: REPO,
    revision: parseRevision("main"),
    commit: commit(digit),
    listSha256: "",
    listBytes: 0,
    files: 1,
    bytes: 1,
    publisher,
    signature: new Uint8Array(64),
    ...more,
  };
  return { publication };
}

const OPEN: TrustRules = { cluster: "open", trusted: new Set(), isMember: () => false };
const CLUSTER: TrustRules = { cluster: "c1", trusted: new Set(), isMember: (node) => node === ANN || node === BEN };
const inC1 = { cluster: "c1" };

interface Case {
  readonly id: string;
  readonly ask?: Partial<Pick<TrustQuestion, "from">> & { readonly revision?: string };
  readonly candidates: readonly { readonly publication: Publication }[];
  readonly rules?: TrustRules;
  readonly expect: string;
}

const CASES: readonly Case[] = [
  { id: "nobody publishes it", candidates: [], expect: "nobody" },
  { id: "in the open, nobody counts by being there", candidates: [published(EVE, "1")], expect: "untrusted eve" },
  {
    id: "in the open, two that don't count are both told",
    candidates: [published(EVE, "1"), published(BEN, "1")],
    expect: "untrusted eve ben",
  },
  {
    id: "who was named counts",
    ask: { from: ANN },
    candidates: [published(EVE, "1"), published(ANN, "2")],
    expect: "found 2 named",
  },
  { id: "nobody but who was named counts", ask: { from: ANN }, candidates: [published(EVE, "1")], expect: "nobody" },
  {
    id: "a commit names its content, whoever published it",
    ask: { revision: "1".repeat(40) },
    candidates: [published(EVE, "1")],
    expect: "found 1 commit",
  },
  {
    id: "a commit of somebody else than who was named does not count",
    ask: { revision: "1".repeat(40), from: ANN },
    candidates: [published(EVE, "1")],
    expect: "nobody",
  },
  {
    id: "another commit does not count",
    ask: { revision: "2".repeat(40) },
    candidates: [published(EVE, "1")],
    expect: "nobody",
  },
  {
    id: "another revision does not count",
    ask: { revision: "v2", from: EVE },
    candidates: [published(EVE, "1")],
    expect: "nobody",
  },
  {
    id: "the settings may name a publisher",
    candidates: [published(ANN, "1")],
    rules: { ...OPEN, trusted: new Set([ANN]) },
    expect: "found 1 setting",
  },
  {
    id: "a publisher's later word counts",
    ask: { from: ANN },
    candidates: [published(ANN, "2", { timeMs: 9 }), published(ANN, "1")],
    expect: "found 2 named",
  },
  {
    id: "a member counts in its cluster",
    candidates: [published(ANN, "1", inC1)],
    rules: CLUSTER,
    expect: "found 1 member",
  },
  {
    id: "who is no member does not, even there",
    candidates: [published(EVE, "1", inC1)],
    rules: CLUSTER,
    expect: "untrusted eve",
  },
  {
    id: "what is for the open swarm does not count in a cluster",
    candidates: [published(ANN, "1")],
    rules: CLUSTER,
    expect: "nobody",
  },
  {
    id: "what is for a cluster does not count in the open, even named",
    ask: { from: ANN },
    candidates: [published(ANN, "1", inC1)],
    expect: "nobody",
  },
  {
    id: "two members with the same files agree",
    candidates: [published(ANN, "1", inC1), published(BEN, "1", inC1)],
    rules: CLUSTER,
    expect: "found 1 member",
  },
  {
    id: "two members with different files need a person",
    candidates: [published(ANN, "1", inC1), published(BEN, "2", inC1)],
    rules: CLUSTER,
    expect: "ambiguous ann ben",
  },
  {
    id: "who was named ends that",
    ask: { from: BEN },
    candidates: [published(ANN, "1", inC1), published(BEN, "2", inC1)],
    rules: CLUSTER,
    expect: "found 2 named",
  },
  {
    id: "an outsider does not make members ambiguous",
    candidates: [published(EVE, "3", inC1), published(ANN, "1", inC1)],
    rules: CLUSTER,
    expect: "found 1 member",
  },
  {
    id: "another repo's publication does not count",
    ask: { from: ANN },
    candidates: [published(ANN, "1", { repo: { type: "dataset", name: REPO.name } })],
    expect: "nobody",
  },
];

describe("choosePublication", () => {
  for (const { id, ask = {}, candidates, rules = OPEN, expect } of CASES) {
    it(id, () => {
      const question = { repo: REPO, revision: parseRevision(ask.revision ?? "main"), from: ask.from };
      const answer = choosePublication(question, candidates, rules);
      const told =
        answer.kind === "found"
          ? `found ${answer.chosen.publication.commit[0]} ${answer.because}`
          : [answer.kind, ...("publishers" in answer ? answer.publishers : [])].join(" ");
      assert.equal(told, expect);
    });
  }
});
