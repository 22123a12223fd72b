/** All parts of the gateway, joined. */
import type { Logger } from "../observe/logger.js";
import { BlobSender } from "./blob-sender.js";
import { callerOf } from "./caller.js";
import { fileRoutes } from "./file-routes.js";
import { GatewayServer } from "./gateway-server.js";
import { metadataRoutes } from "./metadata-routes.js";
import { PatientUpstream } from "./patient-upstream.js";
import { type PlainFaces, plainRoutes } from "./plain-routes.js";
import type {
  Demands,
  FileLists,
  Focus,
  Members,
  Outlets,
  OwnRepos,
  RepoStore,
  Upstream,
  Uses,
  Visibility,
} from "./ports.js";
import { registryRoutes } from "./registry-routes.js";
import { RepoAccess } from "./repo-access.js";
import { RepoFiles } from "./repo-files.js";
import { XET_FROM_BYTES, xetRoutes } from "./xet-routes.js";

export interface GatewayOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** What callers beyond this machine name; `undefined` where the gateway listens on loopback only. */
  readonly token: string | undefined;
  /** Of the Hub, without a trailing slash. */
  readonly endpoint: string;
  /** The Hub may not be asked at all. */
  readonly isOffline: boolean;
  /** The node's own Hub token. */
  readonly hubToken: string | undefined;
  /** Larger files are offered in the form of Xet. Default 50 GB. */
  readonly xetFromBytes?: number | undefined;
}

export interface GatewayDeps {
  readonly upstream: Upstream;
  readonly lists: FileLists;
  readonly visibility: Visibility;
  readonly store: RepoStore;
  readonly members: Members;
  readonly own?: OwnRepos;
  readonly demands: Demands;
  readonly focus: Focus;
  readonly uses: Uses;
  readonly outlets: Outlets;
  readonly logger: Logger;
  /** Milliseconds; never goes back. */
  readonly nowMs: () => number;
  /** For tools that know nothing of the Hub. */
  readonly faces: PlainFaces;
}

const NO_REPOS: OwnRepos = { find: async () => undefined };

/** Builds the gateway; it listens once it is started. */
export function makeGateway(options: GatewayOptions, deps: GatewayDeps): GatewayServer {
  const { endpoint, hubToken, isOffline } = options;
  const { store, visibility, nowMs, lists, members, own = NO_REPOS, faces, outlets } = deps;
  const upstream = new PatientUpstream({ isOffline }, deps);
  const ownKey = hubToken === undefined ? undefined : callerOf(`Bearer ${hubToken}`).key;
  const access = new RepoAccess({ ownKey }, { upstream, store, visibility, members, own, nowMs });
  const files = new RepoFiles({ lists, store, access, members });
  const sender = new BlobSender({ ...deps, isHubThere: (wanted, call) => access.isHubThere(wanted, call.caller) });
  const xet = { fromBytes: options.xetFromBytes ?? XET_FROM_BYTES };
  const routes = [
    ...plainRoutes({ faces, access, files, outlets }),
    ...metadataRoutes({ upstream, access, files, store, visibility, endpoint }),
    ...registryRoutes({ upstream, access, files, sender, nowMs }),
    ...xetRoutes({ access, files, sender }),
    ...fileRoutes({ upstream, access, files, sender, xet }),
  ];
  return new GatewayServer(options, { routes, logger: deps.logger });
}
