/** One host of the LAN: a namespace with interfaces, in which processes run. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ip, run } from "./commands.js";
import { shape, unshape } from "./shaping.js";

export interface HostOptions {
  readonly name: string;
  readonly namespace: string;
  /** The namespace where the switch is. */
  readonly switchNamespace: string;
}

export interface Counters {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** A process in a host. */
export interface HostProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Lines of stdout so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line, past or to come, that the test accepts. @throws Error when the process ends without one, or in time */
  line(accept: (line: string) => boolean, deadlineMs: number): Promise<string>;
  stderr(): string;
  readonly ended: Promise<number | null>;
}

interface Port {
  readonly bridge: string;
  /** The other end of the cable, in the switch. */
  readonly plug: string;
}

export class LanHost {
  readonly name: string;
  readonly namespace: string;
  readonly #switchNamespace: string;
  readonly #ports = new Map<string, Port>();
  readonly #addresses = new Map<string, string>();

  constructor({ name, namespace, switchNamespace }: HostOptions) {
    this.name = name;
    this.namespace = namespace;
    this.#switchNamespace = switchNamespace;
    ip(`netns add ${namespace}`);
    ip("link set lo up", namespace);
  }

  /** Its IPv4 address on the LAN. */
  get address(): string {
    return this.addressOn("eth0");
  }

  addressOn(iface: string): string {
    const address = this.#addresses.get(iface);
    if (address === undefined) throw new Error(`${this.name} has no interface ${iface}`);
    return address;
  }

  /** Plugs a cable into a bridge of the switch. */
  plugIn(iface: string, bridge: string, cidr: string): void {
    const plug = `${this.name}-${iface}`.slice(0, 15);
    ip(`link add ${plug} type veth peer name ${iface} netns ${this.namespace}`, this.#switchNamespace);
    ip(`link set ${plug} master ${bridge} up`, this.#switchNamespace);
    ip(`addr add ${cidr} dev ${iface}`, this.namespace);
    ip(`link set ${iface} up`, this.namespace);
    this.#ports.set(iface, { bridge, plug });
    this.#addresses.set(iface, cidr.split("/")[0] as string);
  }

  /** Where everything else goes; multicast needs to know, too. */
  routeAllTo(iface: string): void {
    ip(`route add default dev ${iface}`, this.namespace);
  }

  /** Bounds what a cable carries, each way. */
  shape(iface: string, mbitPerSecond: number): void {
    shape(this.namespace, iface, mbitPerSecond);
    shape(this.#switchNamespace, this.#port(iface).plug, mbitPerSecond);
  }

  unshape(iface: string): void {
    unshape(this.namespace, iface);
    unshape(this.#switchNamespace, this.#port(iface).plug);
  }

  /** Pulls a cable out: both ends see it. */
  cut(iface: string): void {
    ip(`link set ${this.#port(iface).plug} down`, this.#switchNamespace);
  }

  restore(iface: string): void {
    ip(`link set ${this.#port(iface).plug} up`, this.#switchNamespace);
  }

  /** Moves a cable to another bridge: whoever is not there is out of reach, and no end sees its link go down. */
  moveTo(iface: string, bridge: string): void {
    ip(`link set ${this.#port(iface).plug} master ${bridge}`, this.#switchNamespace);
  }

  moveBack(iface: string): void {
    this.moveTo(iface, this.#port(iface).bridge);
  }

  /** Bytes on the wire since the interface was made, headers included. */
  counters(iface = "eth0"): Counters {
    const [link] = JSON.parse(run("ip", "-n", this.namespace, "-s", "-j", "link", "show", "dev", iface));
    return { sentBytes: link.stats64.tx.bytes, receivedBytes: link.stats64.rx.bytes };
  }

  /** Runs a script with this Node. */
  node(script: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): HostProcess {
    return this.spawn(process.execPath, [script, ...args], env);
  }

  /** Runs a program. It is ended with the namespace at the latest. */
  spawn(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): HostProcess {
    const child = spawn("ip", ["netns", "exec", this.namespace, program, ...args], {
      env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    return watch(child, `${program} on ${this.name}`);
  }

  #port(iface: string): Port {
    const port = this.#ports.get(iface);
    if (port === undefined) throw new Error(`${this.name} has no interface ${iface}`);
    return port;
  }
}

function watch(child: ChildProcess, title: string): HostProcess {
  const lines: string[] = [];
  const listeners = new Set<(line: string) => void>();
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-100_000);
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      for (const listener of [...listeners]) listener(line);
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  child.once("error", (error) => {
    stderr += error.message;
  });
  const line = (accept: (line: string) => boolean, deadlineMs: number) =>
    new Promise<string>((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer);
        listeners.delete(look);
        settle();
      };
      const look = (text: string) => accept(text) && done(() => resolve(text));
      const fail = (why: string) => done(() => reject(new Error(`${title}: ${why}\n${stderr}`)));
      const timer = setTimeout(() => fail(`no such line within ${deadlineMs} ms`), deadlineMs);
      listeners.add(look);
      void ended.then((code) => fail(`ended with ${code}`));
      for (const text of lines) look(text);
    });
  return { child, pid: child.pid as number, lines, line, stderr: () => stderr, ended };
}
