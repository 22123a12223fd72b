/** `swarm cluster`: a private swarm, whose members let each other in by a short code. */
import { readFile } from "node:fs/promises";
import { formatDuration, SwarmError } from "@swarmd/protocol";
import {
  type ClusterInvitation,
  type ClusterRotated,
  type ClusterStatus,
  type FieldNames,
  parseClusterCreateRequest,
  parseClusterInviteRequest,
  parseClusterJoinRequest,
  parseClusterRotateRequest,
} from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import type { Client } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface CommonFlags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

/** Looking for the inviting node, the key exchange, and a network that starts anew. */
const DEADLINE_MS = 120_000;
const NAMES: FieldNames = {
  name: "--name",
  shareGated: "--share-gated",
  swarmKey: "--key",
  port: "--port",
  at: "--at",
};

export function addClusterCommand(program: Command): void {
  const cluster = program
    .command("cluster")
    .description("a private swarm: who is in, and what its members share")
    .helpGroup("Daemon:")
    .helpOption("-h, --help", "print this help");
  const add = (line: string, description: string) =>
    cluster
      .command(line)
      .description(description)
      .helpOption("-h, --help", "print this help")
      .addOption(jsonOption())
      .addOption(stateDirOption());

  add("create", "make a cluster of which this node is the first member, and a code for the next")
    .addOption(new Option("--name <name>", "for people (default: cluster)"))
    .addOption(new Option("--share-gated <rule>", "owners: only with own access (default); members: with all members"))
    .addOption(new Option("--key <file>", "use this libp2p swarm key instead of a new one"))
    .addOption(portOption())
    .action(create);
  add("invite", "make a new code, good for ten minutes; an earlier one is void").addOption(portOption()).action(invite);
  add("join", "become a member with a code that another node made")
    .argument("<code>", "as swarm cluster invite prints it, such as K7QM-3XW9")
    .addOption(new Option("--at <host:port>", "the node that made the code, where multicast does not reach"))
    .action(join);
  add("members", "show who belongs to the cluster, and who is there now").action(members);
  add("status", "show whether this node belongs to a cluster").action(status);
  add("leave", "delete the key and go back to open mode").action(leave);
  add("rotate", "give all members that are there a new key").action((flags: CommonFlags) => rotate(undefined, flags));
  add("remove", "give all members but one a new key")
    .argument("<node>", "id, start of an id, or machine name")
    .action(rotate);
  add("key", "print the cluster's key, for other libp2p programs")
    .addOption(new Option("--show", "yes, print the secret"))
    .action(key);
  addExamples(cluster, [
    ["swarm cluster create --name lab", "here; prints a code"],
    ["swarm cluster join K7QM-3XW9", "there, within ten minutes"],
    ["swarm cluster remove rack-3", "a new key for everybody else"],
  ]);
}

function portOption(): Option {
  return new Option("--port <n>", "for the pairing (default: 7483, or any if that is taken)");
}

interface CreateFlags extends CommonFlags {
  readonly name?: string;
  readonly shareGated?: string;
  readonly key?: string;
  readonly port?: string;
}

async function create({ name, shareGated, key: keyFile, port, ...flags }: CreateFlags): Promise<void> {
  const swarmKey = keyFile === undefined ? undefined : await readKey(keyFile);
  const request = parseClusterCreateRequest({ name, shareGated, swarmKey, port: toPort(port) }, NAMES);
  const { result, isLasting } = await ask(flags, "create", (client, options) => client.clusterCreate(request, options));
  print(flags, result, () => {
    const made = `This node is the first member of the cluster ${sanitize(result.name ?? "")}.\n`;
    if (result.invited !== undefined && isLasting) return `${made}\n${describeInvitation(result.invited)}`;
    return `${made}No daemon is running: start one with swarmd start, then make a code with swarm cluster invite.\n`;
  });
}

async function invite({ port, ...flags }: CommonFlags & { readonly port?: string }): Promise<void> {
  const request = parseClusterInviteRequest({ port: toPort(port) }, NAMES);
  const { result } = await ask(flags, "invite", (client, options) => client.clusterInvite(request, options));
  print(flags, result, () => describeInvitation(result));
}

async function join(code: string, { at, ...flags }: CommonFlags & { readonly at?: string }): Promise<void> {
  const request = parseClusterJoinRequest({ code, at }, NAMES);
  const { result, isLasting } = await ask(flags, "join", (client, options) => client.clusterJoin(request, options));
  print(flags, result, () => {
    const joined = `This node is now a member of the cluster ${sanitize(result.name ?? "")}.\n`;
    return isLasting ? joined : `${joined}No daemon is running: start one with swarmd start.\n`;
  });
}

async function members(flags: CommonFlags): Promise<void> {
  const { result } = await ask(flags, "members", (client, options) => client.cluster(undefined, options));
  print(flags, result.members, () => renderMembers(result));
}

async function status(flags: CommonFlags): Promise<void> {
  const { result } = await ask(flags, "status", (client, options) => client.cluster(undefined, options));
  print(flags, result, () => describeStatus(result));
}

async function leave(flags: CommonFlags): Promise<void> {
  const { result } = await ask(flags, "leave", (client, options) => client.clusterLeave(undefined, options));
  print(
    flags,
    result,
    () =>
      `This node left the cluster ${sanitize(result.name)} and is in open mode. Its key was deleted here; a copy of it would ` +
      "still open the cluster: swarm cluster rotate on another member makes it worthless.\n",
  );
}

async function rotate(remove: string | undefined, flags: CommonFlags): Promise<void> {
  const request = parseClusterRotateRequest({ remove }, NAMES);
  const verb = remove === undefined ? "rotate" : "remove";
  const { result } = await ask(flags, verb, (client, options) => client.clusterRotate(request, options));
  print(flags, result, () => describeRotation(result));
}

async function key({ show, ...flags }: CommonFlags & { readonly show?: boolean }): Promise<void> {
  if (show !== true) {
    throw new SwarmError("USAGE", "the key is a secret: whoever has it belongs to the cluster", {
      hint: "Add --show to print it all the same.",
    });
  }
  const { result } = await ask(flags, "key", (client, options) => client.clusterKey(undefined, options));
  print(flags, result, () => `${result.swarmKey}\n`);
}

/** Without a daemon, a node in this process writes down what was ordered; it has no peers. */
async function ask<Result>(
  flags: CommonFlags,
  verb: string,
  call: (client: Client, options: { readonly signal: AbortSignal; readonly deadlineMs: number }) => Promise<Result>,
): Promise<{ readonly result: Result; readonly isLasting: boolean }> {
  let isLasting = true;
  const result = await withInterrupt({}, (signal) =>
    withNode(
      {
        stateDir: flags.stateDir,
        command: `swarm cluster ${verb}`,
        signal,
        log: (line) => process.stderr.write(line),
        onOwnNode: () => {
          isLasting = false;
        },
      },
      (client) => call(client, { signal, deadlineMs: DEADLINE_MS }),
    ),
  );
  return { result, isLasting };
}

function print(flags: CommonFlags, value: unknown, describe: () => string): void {
  process.stdout.write(flags.json === true ? `${JSON.stringify(value)}\n` : describe());
}

function describeInvitation({ code, expiresInMs, tries, at }: ClusterInvitation): string {
  const where = at[0] === undefined ? "" : `\nwhere multicast does not reach: swarm cluster join ${code} --at ${at[0]}`;
  return (
    `On the machine that is to join, within ${formatDuration(expiresInMs)}:\n\n    swarm cluster join ${code}\n${where}\n` +
    `${tries} wrong tries void the code.\n`
  );
}

function describeStatus(all: ClusterStatus): string {
  if (all.mode === "open") return "open mode: shares files of public repos with any swarmd of this LAN\n";
  const { name = "", shareGated, generation, members: list, invitation } = all;
  const there = list.filter(({ isConnected }) => isConnected).length;
  const rule = shareGated === "members" ? "with all members" : "with members whose own token opens them";
  const lines = [
    `cluster ${sanitize(name)}, key number ${generation}`,
    `${there} of ${list.length} members are there (swarm cluster members shows them)`,
    `private and gated repos are shared ${rule}`,
  ];
  if (invitation !== undefined) {
    const { expiresInMs, triesLeft, port } = invitation;
    lines.push(`a code is good for ${formatDuration(expiresInMs)} and ${triesLeft} wrong tries (port ${port})`);
  }
  return `${lines.join("\n")}\n`;
}

function renderMembers({ mode, members: list }: ClusterStatus): string {
  if (mode === "open") return "no cluster: this node is in open mode\n";
  const columns = [{ title: "NODE" }, { title: "MACHINE" }, { title: "" }, { title: "LAST SEEN" }];
  const rows = list.map(({ id, name, isSelf, isConnected, lastSeen }) =>
    [id, name, isSelf ? "this node" : isConnected ? "connected" : "away", isConnected ? "now" : lastSeen].map(sanitize),
  );
  return `${renderTable(columns, rows).join("\n")}\n`;
}

function describeRotation({ removed, members: list, mustJoinAgain }: ClusterRotated): string {
  const lines = [
    `The cluster has a new key; ${list.length} other ${list.length === 1 ? "member has" : "members have"} it.`,
  ];
  if (removed !== undefined) lines.unshift(`${removed} is out.`);
  if (mustJoinAgain.length > 0) {
    lines.push("These were not there; they must join again, with a new code:");
    for (const { id, name } of mustJoinAgain) lines.push(`  ${id}  ${name}`);
  }
  return `${lines.map(sanitize).join("\n")}\n`;
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new SwarmError("USAGE", `--key can't be read: ${(cause as Error).message}`, { cause });
  }
}

function toPort(text: string | undefined): unknown {
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : text;
}
