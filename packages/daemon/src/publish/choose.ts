/** Whose word counts for a repo that no origin vouches for. Pure. */
import { formatRepo, type NodeId, type RepoRef, type Revision } from "@swarmd/protocol";
import type { Publication } from "@swarmd/protocol/wire";

export interface TrustQuestion {
  readonly repo: RepoRef;
  readonly revision: Revision;
  /** Named by the person (`--from`), or taken before under this name: nobody else's word counts. */
  readonly from: NodeId | undefined;
}

export interface TrustRules {
  /** Where this node is, a cluster's id or the open swarm: publications for other places don't count. */
  readonly cluster: string;
  /** Publishers that this node's settings name (`--publisher`). */
  readonly trusted: ReadonlySet<NodeId>;
  /** Whether this is a cluster, into which nobody comes uninvited, and who is in it. */
  readonly isMember: (node: NodeId) => boolean;
}

export type TrustAnswer<Candidate> =
  | { readonly kind: "found"; readonly chosen: Candidate; readonly because: TrustReason }
  /** There is one, or more, by nodes that nobody has named. */
  | { readonly kind: "untrusted"; readonly publishers: readonly NodeId[] }
  /** Several that count, with different files. */
  | { readonly kind: "ambiguous"; readonly publishers: readonly NodeId[] }
  | { readonly kind: "nobody" };

/** `commit`: the person named the very content. */
export type TrustReason = "named" | "commit" | "setting" | "member";

/**
 * Of all that is published under a name, what is to be pulled. A publisher that was named decides alone; else a commit that was named does;
 * else members of the cluster and publishers of the settings count, if they agree; in the open swarm nobody counts by being there.
 *
 * @param candidates with good signatures
 */
export function choosePublication<Candidate extends { readonly publication: Publication }>(
  question: TrustQuestion,
  candidates: readonly Candidate[],
  rules: TrustRules,
): TrustAnswer<Candidate> {
  const { from, revision } = question;
  const isCommit = (publication: Publication) => publication.commit === (revision as string);
  const fitting = candidates.filter(({ publication }) => {
    const isNamed = isCommit(publication) || publication.revision === revision;
    return (
      publication.cluster === rules.cluster && formatRepo(publication.repo) === formatRepo(question.repo) && isNamed
    );
  });
  const counted = fitting.flatMap((candidate) => {
    const because = reasonFor(candidate.publication, from, isCommit(candidate.publication), rules);
    return because === undefined ? [] : [{ candidate, because }];
  });
  const latest = latestByPublisher(counted);
  const [first] = latest;
  if (first === undefined) {
    if (fitting.length === 0 || from !== undefined) return { kind: "nobody" };
    return { kind: "untrusted", publishers: publishersOf(fitting) };
  }
  if (latest.some(({ candidate }) => candidate.publication.commit !== first.candidate.publication.commit)) {
    return { kind: "ambiguous", publishers: publishersOf(latest.map(({ candidate }) => candidate)) };
  }
  return { kind: "found", chosen: first.candidate, because: first.because };
}

function reasonFor(
  { publisher }: Publication,
  from: NodeId | undefined,
  isCommit: boolean,
  rules: TrustRules,
): TrustReason | undefined {
  if (from !== undefined) return publisher === from ? "named" : undefined;
  if (isCommit) return "commit";
  if (rules.trusted.has(publisher)) return "setting";
  return rules.isMember(publisher) ? "member" : undefined;
}

interface Counted<Candidate> {
  readonly candidate: Candidate;
  readonly because: TrustReason;
}

/** A publisher's later word replaces its earlier one. */
function latestByPublisher<Candidate extends { readonly publication: Publication }>(
  counted: readonly Counted<Candidate>[],
): readonly Counted<Candidate>[] {
  const latest = new Map<NodeId, Counted<Candidate>>();
  for (const one of counted) {
    const { publisher, timeMs } = one.candidate.publication;
    const before = latest.get(publisher);
    if (before === undefined || before.candidate.publication.timeMs < timeMs) latest.set(publisher, one);
  }
  return [...latest.values()];
}

function publishersOf(candidates: readonly { readonly publication: Publication }[]): readonly NodeId[] {
  return [...new Set(candidates.map(({ publication }) => publication.publisher))];
}
