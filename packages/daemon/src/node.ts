/** One node: builds the rooms, joins them, starts them in order and stops them in reverse. */
import { performance } from "node:perf_hooks";
import { ApiServer } from "./api/api-server.js";
import type { Commands, Views } from "./api/ports.js";
import type { NodeConfig } from "./config.js";
import { Engine } from "./core/engine.js";
import type { EventLog } from "./observe/events.js";
import { HubOrigin } from "./origin/hub-origin.js";
import { OriginSources } from "./origin/origin-sources.js";
import { UrlOrigin } from "./origin/url-origin.js";
import { Pulls } from "./pull/pulls.js";
import { Pump } from "./pump.js";
import { BlobStore } from "./store/blob-store.js";
import { Transfers } from "./transfer/transfers.js";
import { FileDigests } from "./verify/file-digest.js";
import { newShardHasher } from "./verify/shard-hasher.js";
