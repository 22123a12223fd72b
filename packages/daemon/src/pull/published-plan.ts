/**
 * The plan of a pull whose repo may be one that no origin has. The origin goes first: what it has is never replaced by what a node
 * publishes under the same name, and what was once taken from a node is never replaced by what turns up at the origin later. Where both
 * claim a name, a person decides.
 */
import { compileFilePatterns, formatRepo, type NodeId, SwarmError, toSwarmError } from "@swarmd/protocol";
import { OPEN_CLUSTER } from "@swarmd/protocol/wire";
import type { PublishedFound, PublishedRepos } from "./ports.js";
import { type PlanDeps, type PlanRequest, planRepo, type RepoPlan } from "./repo-plan.js";

export interface AnyPlanRequest extends PlanRequest {
  /** `--from`: the node whose files are meant. */
  readonly from: NodeId | undefined;
}

export interface AnyPlanDeps extends PlanDeps {
  readonly published: PublishedRepos;
}

/** After these the origin has no such repo, or can't be asked. */
const MAY_BE_PUBLISHED: ReadonlySet<string> = new Set([
  "REPO_NOT_FOUND",
  "OFFLINE",
  "ORIGIN_UNREACHABLE",
  "ORIGIN_FAULT",
  "ORIGIN_BUSY",
  "ORIGIN_STALLED",
]);

/** @throws SwarmError as {@link planRepo}; USAGE where a name means two things; NO_SOURCE where nobody who has the files is up */
export async function planAny(request: AnyPlanRequest, deps: AnyPlanDeps, signal: AbortSignal): Promise<RepoPlan> {
  const taken = await deps.published.publisherOf(request.repo);
  const publisher = request.from ?? taken;
  if (publisher !== undefined) {
    await checkName(request, publisher, taken, deps, signal);
    return planPublished({ ...request, from: publisher }, undefined, deps, signal);
  }
  try {
    return await planRepo(request, deps, signal);
  } catch (error) {
    const failure = toSwarmError(error);
    // A repo that the origin is known to have stays the origin's, even while that is silent.
    const isKnown = (await deps.visibility.find(request.repo)) !== undefined;
    if (signal.aborted || isKnown || !MAY_BE_PUBLISHED.has(failure.code)) throw error;
    return planPublished(request, failure, deps, signal);
  }
}

/** Whether the name means a node's files at all. @throws SwarmError USAGE */
async function checkName(
  { repo, from, offline }: AnyPlanRequest,
  publisher: NodeId,
  taken: NodeId | undefined,
  deps: AnyPlanDeps,
  signal: AbortSignal,
): Promise<void> {
  const name = formatRepo(repo);
  if (from !== undefined && taken !== undefined && from !== taken) {
    deps.warn(`${name} was node ${taken}'s here until now; from now on it is node ${from}'s`);
  }
  const atOrigin = offline ? "unknown" : await deps.published.nameAtOrigin(repo, { signal });
  const wasOrigins = atOrigin === "unknown" && (await deps.visibility.find(repo)) !== undefined;
  if (atOrigin !== "exists" && !wasOrigins) return;
  // Who was taken under this name before the origin had it may be named again, and only by name.
  if (from !== undefined && from === taken) {
    deps.warn(`the origin has a repo ${name} as well; this is the one of node ${from}`);
    return;
  }
  if (from !== undefined) {
    throw new SwarmError(
      "USAGE",
      `${name} is a repo at the origin; a node's files under that name would be taken for it`,
      {
        hint: `Leave --from out for the origin's files, or ask for node ${publisher}'s under a name that the origin does not have.`,
      },
    );
  }
  throw new SwarmError(
    "USAGE",
    `${name} was node ${publisher}'s here until now, and there is a repo of that name at the origin`,
    {
      hint: `For the node's: --from ${publisher}. For the origin's: first swarm rm ${name}.`,
    },
  );
}

/** @param missing why the origin's is not to be had, if that was tried */
async function planPublished(
  request: AnyPlanRequest,
  missing: SwarmError | undefined,
  deps: AnyPlanDeps,
  signal: AbortSignal,
): Promise<RepoPlan> {
  const { repo, revision, from } = request;
  const name = formatRepo(repo);
  const answer = await deps.published.choose({ repo, revision, from });
  if (answer.kind === "nobody") {
    if (missing !== undefined) throw missing;
    throw new SwarmError(
      "REVISION_NOT_FOUND",
      `node ${from} publishes no ${name}@${revision}, as far as this node has heard`,
      {
        hint: `swarm locate ${name} shows who has what; a node that was just started is heard of within a second.`,
      },
    );
  }
  if (answer.kind !== "found") throw notNamed(answer.kind, name, answer.publishers, missing);
  const { chosen, because } = answer;
  const files = await deps.published.filesOf(chosen, { signal });
  deps.warn(describe(name, chosen, because, missing));
  const wanted = files.filter(({ path }) => compileFilePatterns(request)(path));
  await deps.store.checkFileNames(wanted.map(({ path }) => path));
  if (wanted.length === 0) {
    throw new SwarmError("FILE_NOT_FOUND", `no file of ${name}@${revision} was asked for`, {
      hint: `The repo has ${files.length} files, such as ${files[0]?.path}; check --include and --exclude.`,
    });
  }
  const manifest = { repo, revision, commit: chosen.publication.commit, files };
  await deps.store.writeTree(manifest);
  // Among the members of a cluster, being one is the access; nobody else hears of it.
  const isPrivate = chosen.publication.cluster !== OPEN_CLUSTER;
  const { publication } = chosen;
  return { manifest, files: wanted, isPrivate, hasAccess: true, mayAskOrigin: false, publication };
}

const BECAUSE: Readonly<Record<PublishedFound["because"], string>> = {
  named: "named for this name",
  commit: "the commit that was asked for",
  setting: "a publisher of this node's settings",
  member: "a member of this cluster",
};

function describe(
  name: string,
  { publication }: PublishedFound["chosen"],
  because: PublishedFound["because"],
  missing: SwarmError | undefined,
): string {
  const { publisher, commit } = publication;
  const unasked = missing !== undefined && missing.code !== "REPO_NOT_FOUND" ? "; the origin could not be asked" : "";
  return `${name} (${commit.slice(0, 8)}) is published by node ${publisher} on this LAN, by no origin (${BECAUSE[because]}${unasked})`;
}

function notNamed(
  kind: "untrusted" | "ambiguous",
  name: string,
  publishers: readonly NodeId[],
  missing: SwarmError | undefined,
): SwarmError {
  const [first] = publishers;
  const who = publishers.length === 1 ? `node ${first} publishes` : `${publishers.length} nodes publish`;
  const why = kind === "ambiguous" ? "with different files" : "which nobody vouches for";
  const before = missing === undefined ? "" : `${missing.message}; `;
  return new SwarmError(missing?.code ?? "REPO_NOT_FOUND", `${before}${who} a repo ${name} on this LAN, ${why}`, {
    ...(missing === undefined ? {} : { cause: missing }),
    hint: `If you trust ${publishers.length === 1 ? "it" : "one of them"}: ${publishers
      .slice(0, 3)
      .map((publisher) => `swarm pull ${name} --from ${publisher}`)
      .join(" or ")}.`,
  });
}
