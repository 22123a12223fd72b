/**
 * The rooms of the house, held by a test: who may import whom, and why not. ARCHITECTURE.md says the same in words.
 * Sources are read as text, so that a type-only import counts too: it ties two rooms together just as well.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

interface Room {
  /** Folder or file below the root. */
  readonly at: string;
  /** Other rooms it may import. Its own folder is always allowed. */
  readonly mayImport: readonly string[];
  /** Packages and Node modules it may import; `*` for any. */
  readonly packages: readonly string[];
  readonly because: string;
}

const DAEMON = "packages/daemon/src";
const PROTOCOL = "@swarmd/protocol";

const ROOMS: readonly Room[] = [
  {
    at: "packages/protocol/src",
    mayImport: [],
    packages: [],
    because: "peers and clients of any kind share it: no I/O",
  },
  {
    at: "packages/protocol/src/wire",
    mayImport: ["errors.ts", "ids.ts", "manifest.ts", "file-names.ts"].map((name) => `packages/protocol/src/${name}`),
    packages: ["protons-runtime", "uint8arraylist", "uint8arrays"],
    because: "bytes and what they mean, with nothing but the runtime of the generated codecs",
  },
  {
    at: `${DAEMON}/core/catalog`,
    mayImport: [`${DAEMON}/core/shard-set.ts`, `${DAEMON}/core/rendezvous.ts`],
    packages: [PROTOCOL],
    because: "who has what is folded from announcements alone",
  },
  {
    at: `${DAEMON}/core/planner`,
    mayImport: [`${DAEMON}/core/catalog`, `${DAEMON}/core/messages.ts`, `${DAEMON}/core/rendezvous.ts`],
    packages: [PROTOCOL],
    because: "a plan is a pure function of what it is shown",
  },
  {
    at: `${DAEMON}/core/session`,
    mayImport: [`${DAEMON}/core/messages.ts`, `${DAEMON}/core/shard-set.ts`, `${DAEMON}/core/rendezvous.ts`],
    packages: [PROTOCOL],
    because: "one blob's life knows nothing of other blobs, or of who serves them",
  },
  { at: `${DAEMON}/core/policy`, mayImport: [], packages: [PROTOCOL], because: "comparators compare" },
  {
    at: `${DAEMON}/core`,
    mayImport: [],
    packages: [PROTOCOL],
    because: "what decides has no I/O, no clock and no dice",
  },
  {
    at: `${DAEMON}/observe`,
    mayImport: [],
    packages: ["*"],
    because: "everybody reports to it, so it may know nobody",
  },
  {
    at: `${DAEMON}/origin`,
    mayImport: [`${DAEMON}/observe`],
    packages: [PROTOCOL, "undici", "node:*"],
    because: "it speaks HTTP to the outside and nothing else",
  },
  {
    at: `${DAEMON}/formats`,
    mayImport: [],
    packages: [PROTOCOL],
    because: "it reads what strangers published, so it has bytes in its hands and nothing else",
  },
  {
    at: `${DAEMON}/transfer`,
    mayImport: [`${DAEMON}/observe`],
    packages: [PROTOCOL, "node:*"],
    because: "it moves bytes between a source and a sink it knows only as ports",
  },
  {
    at: `${DAEMON}/discovery`,
    mayImport: [],
    packages: [PROTOCOL, "node:*", "@libp2p/interface", "@libp2p/mdns", "@multiformats/multiaddr", "dns-packet"],
    because: "it finds peers; who connects to them is not its business",
  },
  {
    at: `${DAEMON}/transport`,
    mayImport: [`${DAEMON}/observe`],
    packages: [
      PROTOCOL,
      "node:*",
      "libp2p",
      "@libp2p/*",
      "@chainsafe/libp2p-*",
      "@multiformats/multiaddr",
      "it-length-prefixed-stream",
    ],
    because: "the only room that knows libp2p, so that moving to its successor is one room's work",
  },
  {
    at: `${DAEMON}/verify`,
    mayImport: [`${DAEMON}/observe`],
    packages: [PROTOCOL, "node:*", "@napi-rs/blake-hash", "hash-wasm"],
    because: "the only room that calls bytes right must depend on nobody's word",
  },
  {
    at: `${DAEMON}/store`,
    mayImport: [`${DAEMON}/observe`, `${DAEMON}/verify`],
    packages: [PROTOCOL, "node:*", "koffi"],
    because: "it keeps files, whoever fetched them",
  },
  {
    at: `${DAEMON}/transport/lanes`,
    mayImport: [
      `${DAEMON}/observe`,
      `${DAEMON}/verify/shard-hasher.ts`,
      `${DAEMON}/verify/xet/range-check.ts`,
      `${DAEMON}/transport/bounded.ts`,
      `${DAEMON}/transport/reachability.ts`,
    ],
    packages: [PROTOCOL, "node:*", "koffi", "selfsigned", "@libp2p/interface"],
    because: "it carries bytes between nodes; its threads hash, and no function can be handed to a thread",
  },
  {
    at: `${DAEMON}/serve`,
    mayImport: [`${DAEMON}/observe`],
    packages: [PROTOCOL, "node:*"],
    because: "it answers whoever asks, by whatever lane, with bytes from wherever they lie",
  },
  {
    at: `${DAEMON}/announce`,
    mayImport: [`${DAEMON}/observe`, `${DAEMON}/core/catalog/announcement.ts`, `${DAEMON}/core/shard-set.ts`],
    packages: [PROTOCOL],
    because: "it puts into words what the engine and the cache say; who hears them is not its business",
  },
  {
    at: `${DAEMON}/cluster`,
    mayImport: [`${DAEMON}/observe`],
    packages: [PROTOCOL, "node:*", "@serenity-kit/opaque"],
    because: "who is let in is decided over a connection of its own, before any peer is one",
  },
  {
    at: `${DAEMON}/keeper`,
    mayImport: [`${DAEMON}/observe`, `${DAEMON}/core/policy`, `${DAEMON}/core/rendezvous.ts`],
    packages: [PROTOCOL, "node:*"],
    because: "it keeps the cache within its bounds; files and neighbours are ports to it",
  },
  {
    at: `${DAEMON}/publish`,
    mayImport: [`${DAEMON}/observe`, `${DAEMON}/verify/evidence/node-identity.ts`],
    packages: [PROTOCOL, "node:*"],
    because: "it signs and weighs words; where files lie and who is on the LAN come through ports",
  },
  {
    at: `${DAEMON}/locate`,
    mayImport: [`${DAEMON}/observe`],
    packages: [PROTOCOL],
    because: "it remembers who said what he has; who hears of it is not its business",
  },
  {
    at: `${DAEMON}/manifest`,
    mayImport: [`${DAEMON}/observe`, `${DAEMON}/formats`],
    packages: [PROTOCOL],
    because: "it describes what it is shown; heads of files come through a port",
  },
  {
    at: `${DAEMON}/pull`,
    mayImport: [`${DAEMON}/observe`],
    packages: [PROTOCOL, "node:*"],
    because: "it orders, through ports; where a byte comes from is the engine's business",
  },
  {
    at: `${DAEMON}/background`,
    mayImport: [`${DAEMON}/observe`, `${DAEMON}/core/policy`],
    packages: [PROTOCOL, "node:*"],
    because: "it says when a pull may run; what a pull is comes through a port",
  },
  {
    at: `${DAEMON}/api`,
    mayImport: [`${DAEMON}/observe`, `${DAEMON}/service.ts`],
    packages: [PROTOCOL, "node:*"],
    because: "it speaks to people and programs, and hands orders on",
  },
  {
    at: `${DAEMON}/gateway`,
    mayImport: [`${DAEMON}/observe`],
    packages: [PROTOCOL, "node:*"],
    because: "it speaks the Hub's dialect; what it answers with comes through ports",
  },
  {
    at: "packages/cli/src",
    mayImport: [],
    packages: ["*"],
    because: "a client like any other; the node is loaded only when it has to run in this process",
  },
];

/** Files at the top of the daemon that join the rooms; they may see everything. */
const JOINTS = [
  "node.ts",
  "adopt-cache.ts",
  "head-sources.ts",
  "node-faces.ts",
  "published-names.ts",
  "node-cluster.ts",
  "node-commands.ts",
  "node-keeper.ts",
  "node-background.ts",
  "copies.ts",
  "health.ts",
  "node-limits.ts",
  "node-gateway.ts",
  "gateway-outlets.ts",
  "swarm.ts",
  "swarm-views.ts",
  "pump.ts",
  "evidence.ts",
  "proofs.ts",
  "host.ts",
  "main.ts",
  "memory.ts",
  "index.ts",
  "config.ts",
  "config-file.ts",
  "service.ts",
  "state-lock.ts",
  "doctor.ts",
].map((name) => `${DAEMON}/${name}`);

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sourcesBelow(path);
    return entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts") ? [path] : [];
  });
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s*["']([^"']+)["']/g,
  );
  return [...found].map((match) => (match[1] ?? match[2] ?? match[3]) as string);
}

function resolveImport(file: string, specifier: string): string {
  const path = join(dirname(file), specifier).split(sep).join("/");
  return path.replace(/\.js$/, ".ts");
}

/** The innermost room a file stands in. */
function roomOf(file: string): Room | undefined {
  return ROOMS.filter(({ at }) => file === at || file.startsWith(`${at}/`)).sort(
    (a, b) => b.at.length - a.at.length,
  )[0];
}

function isBelow(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}

const FILES = ["packages/protocol/src", DAEMON, "packages/cli/src"].flatMap(sourcesBelow);

describe("the house", () => {
  it("has a room for every file", () => {
    const homeless = FILES.filter((file) => roomOf(file) === undefined && !JOINTS.includes(file));
    assert.deepEqual(homeless, []);
  });

  for (const room of ROOMS) {
    it(`${room.at}: ${room.because}`, () => {
      const offences = FILES.filter((file) => roomOf(file) === room).flatMap((file) =>
        importsOf(file)
          .filter((specifier) => !mayImport(room, file, specifier))
          .map((specifier) => `${file} imports ${specifier}`),
      );
      assert.deepEqual(offences, []);
    });
  }

  it("has no circle of imports between files", () => {
    const graph = new Map(
      FILES.map((file) => [
        file,
        importsOf(file)
          .filter((specifier) => specifier.startsWith("."))
          .map((specifier) => resolveImport(file, specifier)),
      ]),
    );
    assert.deepEqual(findCircle(graph), []);
  });

  it("decides without a clock or dice", () => {
    const impure = /\b(?:Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout|setInterval|queueMicrotask)\b/;
    const offences = FILES.filter(
      (file) => file.startsWith(`${DAEMON}/core/`) || file.startsWith("packages/protocol/src/"),
    )
      .map((file) => ({
        file,
        found: readFileSync(join(ROOT, file), "utf8")
          .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")
          .match(impure)?.[0],
      }))
      .filter(({ found }) => found !== undefined);
    assert.deepEqual(offences, []);
  });

  it("has no drawers for odds and ends, and no default exports", () => {
    assert.deepEqual(
      FILES.filter((file) => /\/(?:utils?|helpers?|common|misc)\.ts$/.test(file)),
      [],
    );
    assert.deepEqual(
      FILES.filter((file) => /^export default/m.test(readFileSync(join(ROOT, file), "utf8"))),
      [],
    );
  });
});

function mayImport(room: Room, file: string, specifier: string): boolean {
  if (specifier.startsWith(".")) {
    const target = resolveImport(file, specifier);
    return isBelow(target, room.at) || room.mayImport.some((place) => isBelow(target, place));
  }
  return room.packages.some((name) =>
    name === "*"
      ? true
      : name.endsWith("*")
        ? specifier.startsWith(name.slice(0, -1))
        : specifier === name || specifier.startsWith(`${name}/`),
  );
}

/** The files of one circle, or nothing. */
function findCircle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    if (done.has(file)) return [];
    const at = path.indexOf(file);
    if (at !== -1) return [...path.slice(at), file];
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next);
      if (circle.length > 0) return circle;
    }
    path.pop();
    done.add(file);
    return [];
  };
  for (const file of graph.keys()) {
    const circle = visit(file);
    if (circle.length > 0) return circle.map((name) => relative(".", name));
  }
  return [];
}
