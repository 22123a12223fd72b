/** `swarmd start`: runs the daemon in the foreground. */
import { type Command, Option } from "commander";
import { addCommand, addExamples, stateDirOption } from "../program.js";

interface StartFlags {
  readonly cacheDir?: string;
  readonly stateDir?: string;
  readonly origin?: string;
  readonly workers?: string;
  /** `false` for --no-peer, else what --peer named. */
  readonly peer?: false | string[];
  readonly mdns: boolean;
  readonly publisher?: string[];
  readonly p2pPort?: string;
  readonly lanePort?: string;
  readonly gateway: boolean;
  readonly gatewayPort?: string;
  readonly gatewayHost?: string;
  readonly gatewayToken?: string;
  readonly link?: string[];
  readonly encrypt?: string;
  readonly maxUpload?: string;
  readonly maxDownload?: string;
  readonly maxOrigin?: string;
  readonly spotCheck?: string;
  readonly cachePolicy?: string;
  readonly cacheMaxSize?: string;
  readonly cacheMaxModels?: string;
  readonly cacheTtl?: string;
  readonly minFree?: string;
  readonly reservePinned?: string;
  readonly keepStartup?: boolean;
  readonly adoptEvict?: boolean;
  readonly refuseCopies?: boolean;
  readonly scrubRate?: string;
  readonly prefetch?: string[];
  readonly between?: string;
  readonly originBudget?: string;
  readonly logFormat?: string;
  readonly logLevel?: string;
}

export function addStartCommand(program: Command): void {
  const command = addCommand(
    program,
    "start",
    "run the daemon, in the foreground, until Ctrl-C or swarmd stop",
    "Daemon:",
  )
    .addOption(new Option("--cache-dir <dir>", "Hugging Face cache (default: $HF_HUB_CACHE)").helpGroup("Folders:"))
    .addOption(stateDirOption().helpGroup("Folders:"))
    .addOption(new Option("--origin <url>", "the Hub (default: $HF_ENDPOINT)").helpGroup("Network:"))
    .addOption(
      new Option("--workers <n>", "requests to the origin at a time, 1 to 64 (default: 10)").helpGroup("Network:"),
    )
    .addOption(
      new Option("--peer <host:port>", "a peer where multicast does not reach; may be repeated")
        .argParser(gather)
        .helpGroup("Peers:"),
    )
    .addOption(new Option("--no-peer", "fetch from the origin only, serve nobody").helpGroup("Peers:"))
    .addOption(
      new Option("--publisher <node>", "take what this node publishes without being told --from; may be repeated")
        .argParser(gather)
        .helpGroup("Peers:"),
    )
    .addOption(new Option("--no-mdns", "do not look for peers by multicast").helpGroup("Peers:"))
    .addOption(new Option("--p2p-port <n>", "port for discovery and gossip (default: 7482)").helpGroup("Peers:"))
    .addOption(new Option("--lane-port <n>", "port for bytes (default: 7481)").helpGroup("Peers:"))
    .addOption(
      new Option("--link <iface=class>", "rdma, thunderbolt, ethernet, wifi or routed; may be repeated")
        .argParser(gather)
        .helpGroup("Peers:"),
    )
    .addOption(
      new Option("--encrypt <when>", "auto: what is private; always: all bytes to peers (default: auto)").helpGroup(
        "Peers:",
      ),
    )
    .addOption(new Option("--gateway-port <n>", "port of the gateway (default: 7480)").helpGroup("Gateway:"))
    .addOption(
      new Option("--gateway-host <address>", "let other machines in too; needs a token (default: 127.0.0.1)").helpGroup(
        "Gateway:",
      ),
    )
    .addOption(new Option("--gateway-token <token>", "what other machines have to name").helpGroup("Gateway:"))
    .addOption(new Option("--no-gateway", "no HF_ENDPOINT for other programs").helpGroup("Gateway:"))
    .addOption(new Option("--max-upload <rate>", "to peers, such as 50MB/s or 400Mbit/s").helpGroup("Limits:"))
    .addOption(new Option("--max-download <rate>", "from peers").helpGroup("Limits:"))
    .addOption(new Option("--max-origin <rate>", "from the origin").helpGroup("Limits:"))
    .addOption(
      new Option(
        "--spot-check <n>",
        "compare one in so many shards from peers with the origin, or off (default: 64)",
      ).helpGroup("Trust:"),
    )
    .addOption(
      new Option("--cache-policy <policy>", "lru, no-evict, ttl or lru-ttl (default: lru)").helpGroup("Cache:"),
    )
    .addOption(new Option("--cache-max-size <size>", "all files of the cache, such as 500GB").helpGroup("Cache:"))
    .addOption(new Option("--cache-max-models <n>", "models in the cache").helpGroup("Cache:"))
    .addOption(new Option("--cache-ttl <time>", "what was untouched for so long goes, such as 30d").helpGroup("Cache:"))
    .addOption(
      new Option("--min-free <size>", "of the disk (default: a tenth of it, unless another bound is given)").helpGroup(
        "Cache:",
      ),
    )
    .addOption(
      new Option("--reserve-pinned <share>", "of --cache-max-size, for pinned models, such as 60%").helpGroup("Cache:"),
    )
    .addOption(new Option("--keep-startup", "keep what a loader reads first when a model goes").helpGroup("Cache:"))
    .addOption(new Option("--adopt-evict", "what other tools put into the cache may go too").helpGroup("Cache:"))
    .addOption(
      new Option("--refuse-copies", "take no copies that other nodes want kept (swarm pin --replicas)").helpGroup(
        "Cache:",
      ),
    )
    .addOption(
      new Option("--scrub-rate <rate>", "how fast the cache is read over, or off (default: 10MB/s)").helpGroup(
        "Cache:",
      ),
    )
    .addOption(
      new Option("--prefetch <file>", "have all repos that this file lists, one a line; may be repeated")
        .argParser(gather)
        .helpGroup("Background:"),
    )
    .addOption(
      new Option(
        "--between <hours>",
        "when pulls in the background run that name no hours, such as 22:00-06:00",
      ).helpGroup("Background:"),
    )
    .addOption(
      new Option(
        "--origin-budget <size>",
        "a day, such as 50GB: then nothing more from the origin in the background",
      ).helpGroup("Background:"),
    )
    .addOption(new Option("--log-format <format>", "pretty or json (default: pretty)").helpGroup("Log:"))
    .addOption(new Option("--log-level <level>", "error, warn, info or debug (default: info)").helpGroup("Log:"))
    .action(start);
  command.addHelpText(
    "after",
    "\nEvery option can also stand in the environment (SWARM_WORKERS=4) or in config.toml in the state folder (workers = 4).",
  );
  addExamples(command, [
    ["swarmd start", "with the cache and token that Hugging Face's own tools use"],
    ["swarmd start --state-dir /tmp/b --cache-dir /tmp/b/hub", "a second daemon on this machine"],
  ]);
}

function gather(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

async function start({ peer, mdns, gateway, link, publisher, ...flags }: StartFlags): Promise<void> {
  const { runDaemon, startNode } = await import("@swarmd/daemon");
  const peers = peer === false ? { noPeer: true } : { peers: peer };
  await runDaemon({
    flags: {
      ...flags,
      ...peers,
      links: link,
      publishers: publisher,
      noMdns: mdns ? undefined : true,
      noGateway: gateway ? undefined : true,
    },
    env: process.env,
    startNode,
  });
}
