/** Tells the LAN where an invitation is waiting, and finds one: an mDNS service named after the part of the code that is no secret. */
import { networkInterfaces } from "node:os";
import type { ComponentLogger, PeerInfo } from "@libp2p/interface";
import { type MulticastDNSComponents, mdns } from "@libp2p/mdns";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import type { NodeId } from "@swarmd/protocol";
import { pairingServiceTag } from "@swarmd/protocol/wire";

/** Datagrams get lost: who waits for an answer asks again. */
const ASK_AGAIN_MS = 1_000;
/** The side that answers has nothing to ask. */
const SELDOM_MS = 3_600_000;

export interface PairingAddress {
  readonly host: string;
  readonly port: number;
}

type MulticastDns = ReturnType<ReturnType<typeof mdns>> & { start(): Promise<void>; stop(): Promise<void> };

/** @returns takes it back */
export async function announcePairing(tag: string, port: number, self: NodeId): Promise<() => Promise<void>> {
  const service = open(tag, SELDOM_MS, () =>
    localHosts().map((host) =>
      multiaddr(`/${host.includes(":") ? "ip6" : "ip4"}/${host}/tcp/${port}`).encapsulate(`/p2p/${self}`),
    ),
  );
  await service.start();
  return () => service.stop();
}

/** Addresses of all that answer, as they come, until the signal aborts. */
export async function* lookForPairing(
  tag: string,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<PairingAddress, void, undefined> {
  const found: PairingAddress[] = [];
  let wake: () => void = () => undefined;
  const service = open(tag, ASK_AGAIN_MS, () => []);
  service.addEventListener("peer", ({ detail }: CustomEvent<PeerInfo>) => {
    for (const address of detail.multiaddrs) {
      const { address: host, port } = address.nodeAddress();
      found.push({ host, port });
    }
    wake();
  });
  const onAbort = () => wake();
  signal.addEventListener("abort", onAbort, { once: true });
  await service.start();
  try {
    while (!signal.aborted) {
      const next = found.shift();
      if (next !== undefined) yield next;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (signal.aborted || found.length > 0) resolve();
        });
      }
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    await service.stop();
  }
}

/** The library asks a libp2p node for its addresses; here there is none, only a port. */
function open(tag: string, interval: number, addresses: () => Multiaddr[]): MulticastDns {
  const components = { addressManager: { getAddresses: addresses }, logger: silent };
  return mdns({ serviceTag: pairingServiceTag(tag), interval })(
    components as unknown as MulticastDNSComponents,
  ) as MulticastDns;
}

const quiet = Object.assign(() => undefined, { enabled: false, trace: () => undefined, error: () => undefined });
const silent = { forComponent: () => quiet } as unknown as ComponentLogger;

/** Loopback only where there is nothing else: on another machine it leads to that machine itself. */
function localHosts(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const usable = all.filter(
    ({ address, scopeid }) => !address.includes("%") && !(scopeid !== undefined && scopeid > 0),
  );
  const outer = usable.filter(({ internal }) => !internal);
  return (outer.length > 0 ? outer : usable).map(({ address }) => address);
}
