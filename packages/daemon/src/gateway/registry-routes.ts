/**
 * `/v2/`: how ollama and older builds of llama.cpp ask for GGUF files of a repo, each in a dialect of its own. The Hub's answer goes on where it
 * has one; else it is made from the list of files.
 */
import { createHash } from "node:crypto";
import { parseRevision, type RepoFile, type RepoRef } from "@swarmd/protocol";
import type { BlobSender } from "./blob-sender.js";
import type { Caller } from "./caller.js";
import { ExpiringMap } from "./expiring-map.js";
import { sendFile } from "./file-routes.js";
import { HubError } from "./hub-error.js";
import { entryOf } from "./own-answers.js";
import { isDown, type PatientUpstream } from "./patient-upstream.js";
import type { HubAnswer } from "./ports.js";
import { passedWithType } from "./relay-headers.js";
import type { RepoAccess, RepoView } from "./repo-access.js";
import { REPO, repoOf } from "./repo-address.js";
import type { FileTable, RepoFiles } from "./repo-files.js";
import type { GatewayCall, GatewayRoute } from "./route-table.js";
import { sendJson } from "./send-json.js";

export interface RegistryDeps {
  readonly upstream: PatientUpstream;
  readonly access: RepoAccess;
  readonly files: RepoFiles;
  readonly sender: BlobSender;
  readonly nowMs: () => number;
}

const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
/** As llama.cpp chooses when nobody says which. */
const DEFAULT_QUANTS = ["Q4_K_M", "Q8_0"];
const MAIN = parseRevision("main");
/** A config blob of our own making is asked for right after its manifest. */
const CONFIG_MS = 3_600_000;

export function registryRoutes(deps: RegistryDeps): readonly GatewayRoute[] {
  const routes = new RegistryRoutes(deps);
  return [
    {
      method: "GET",
      pattern: new RegExp(`^/v2/${REPO}/manifests/(?<tag>[^/]+)$`),
      handle: (call) => routes.manifest(call),
    },
    {
      method: "GET",
      pattern: new RegExp(`^/v2/${REPO}/blobs/(?<digest>sha256:[0-9a-f]{64})$`),
      handle: (call) => routes.blob(call),
    },
    { method: "GET", pattern: /^\/v2\/$/, handle: async (call) => sendJson(call, 200, {}) },
  ];
}

class RegistryRoutes {
  readonly #deps: RegistryDeps;
  readonly #configs: ExpiringMap<Buffer>;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    this.#configs = new ExpiringMap({ most: 1_000 }, deps);
  }

  async manifest(call: GatewayCall): Promise<void> {
    const { params, caller, request } = call;
    const repo = repoOf(params);
    const view = await this.#deps.access.look(caller, repo, MAIN);
    const agent = request.headers["user-agent"] ?? "";
    const accept = request.headers.accept ?? MANIFEST_TYPE;
    const said = await this.#askHub(call, { accept, "user-agent": agent });
    if (said?.status === 200) {
      call.response.writeHead(200, { ...passedWithType(said.fields), "content-length": said.body.length });
      call.response.end(call.isHead ? undefined : said.body);
      return;
    }
    const table = await this.#deps.files.table(caller, view);
    const chosen = chooseGguf(table, params.tag ?? "latest");
    if (chosen === undefined) {
      throw new HubError(404, `${repo.name} has no GGUF file for ${params.tag}`, { code: "EntryNotFound" });
    }
    await this.#deps.access.checkFile(caller, view, chosen.model.path);
    if (/llama-cpp/.test(agent)) sendJson(call, 200, llamaManifest(chosen));
    else this.#sendOci(call, chosen);
  }

  async blob(call: GatewayCall): Promise<void> {
    const { params, caller } = call;
    const repo = repoOf(params);
    const digest = params.digest as string;
    const view = await this.#deps.access.look(caller, repo, MAIN);
    const file = await this.#findBySha(caller, view, digest);
    if (file !== undefined) {
      await this.#deps.access.checkFile(caller, view, file.path);
      return sendFile(call, this.#deps.sender, view, file);
    }
    const body = this.#configs.get(`${repo.name} ${digest}`) ?? (await this.#smallBlob(call, repo, digest));
    const headers = { "content-type": "application/octet-stream", "content-length": body.length, etag: `"${digest}"` };
    call.response.writeHead(200, { ...headers, "docker-content-digest": digest });
    call.response.end(call.isHead ? undefined : body);
  }

  async #findBySha(caller: Caller, view: RepoView, digest: string): Promise<RepoFile | undefined> {
    const table = await this.#deps.files.table(caller, view);
    for (const file of table.values()) if (file.blob === digest) return file;
    return undefined;
  }

  /** Templates and parameters that the Hub makes up for ollama: files of no repo. */
  async #smallBlob(call: GatewayCall, repo: RepoRef, digest: string): Promise<Buffer> {
    const answer = await this.#askHub({ ...call, isHead: false }, {});
    if (answer?.status === 200) {
      const isRight = `sha256:${createHash("sha256").update(answer.body).digest("hex")}` === digest;
      if (!isRight) throw new HubError(502, "the Hub's answer is not what it should be");
      this.#configs.set(`${repo.name} ${digest}`, answer.body, CONFIG_MS);
      return answer.body;
    }
    if (answer === undefined) throw new HubError(504, `nobody here has ${digest}, and the Hub can't be asked now`);
    throw new HubError(404, `${repo.name} has no blob ${digest}`, { code: "EntryNotFound" });
  }

  /** @returns `undefined` while the Hub can't be asked */
  async #askHub(
    { path, caller, signal }: GatewayCall,
    headers: Readonly<Record<string, string>>,
  ): Promise<HubAnswer | undefined> {
    const request = { method: "GET", target: path, authorization: caller.authorization, headers } as const;
    try {
      return await this.#deps.upstream.ask(request, { signal, canDoWithout: true });
    } catch (error) {
      if (isDown(error)) return undefined;
      throw error;
    }
  }

  #sendOci(call: GatewayCall, { model, projector }: ChosenGguf): void {
    const repo = repoOf(call.params);
    const layers = [layerOf(model, "application/vnd.ollama.image.model")];
    if (projector !== undefined) layers.push(layerOf(projector, "application/vnd.ollama.image.projector"));
    const diffIds = layers.map(({ digest }) => digest);
    const config = Buffer.from(
      JSON.stringify({
        model_format: "gguf",
        model_family: "",
        model_families: null,
        file_type: quantOf(model.path) ?? "",
        architecture: "amd64",
        os: "linux",
        rootfs: { type: "layers", diff_ids: diffIds },
      }),
    );
    const digest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
    this.#configs.set(`${repo.name} ${digest}`, config, CONFIG_MS);
    const mediaType = "application/vnd.docker.container.image.v1+json";
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { digest, mediaType, size: config.length },
      layers,
    };
    sendJson(call, 200, manifest, { "content-type": MANIFEST_TYPE });
  }
}

interface ChosenGguf {
  readonly model: RepoFile;
  /** For models that see. */
  readonly projector: RepoFile | undefined;
}

/** @param tag a quantisation, the name of a file, or `latest` */
export function chooseGguf(table: FileTable, tag: string): ChosenGguf | undefined {
  const all = [...table.values()]
    .filter(({ path }) => /\.gguf$/i.test(path))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const models = all.filter(({ path }) => !/mmproj/i.test(path) && isFirstPart(path));
  const wanted = tag.toLowerCase() === "latest" ? DEFAULT_QUANTS : [tag];
  const named = models.find(({ path }) => path === tag);
  const byQuant = wanted.map((quant) =>
    models.find(({ path }) => quantOf(path)?.toLowerCase() === quant.toLowerCase()),
  );
  const model =
    named ?? byQuant.find((file) => file !== undefined) ?? (tag.toLowerCase() === "latest" ? models[0] : undefined);
  return model && { model, projector: all.find(({ path }) => /mmproj/i.test(path)) };
}

function quantOf(path: string): string | undefined {
  const plain = path.replace(/-\d{5}-of-\d{5}(?=\.gguf$)/i, "");
  return /[-._/]((?:UD-)?(?:I?Q\d+[A-Z0-9_]*|BF16|F16|F32|MXFP4[A-Z0-9_]*))\.gguf$/i.exec(plain)?.[1];
}

function isFirstPart(path: string): boolean {
  const part = /-(\d{5})-of-\d{5}\.gguf$/i.exec(path)?.[1];
  return part === undefined || Number(part) === 1;
}

function llamaManifest({ model, projector }: ChosenGguf): Record<string, unknown> {
  const describe = (file: RepoFile) => {
    const { oid, size, lfs } = entryOf(file);
    return {
      rfilename: file.path,
      blobId: oid,
      size,
      ...(lfs === undefined ? {} : { lfs: { sha256: lfs.oid, size, pointerSize: lfs.pointerSize } }),
    };
  };
  return { ggufFile: describe(model), ...(projector === undefined ? {} : { mmprojFile: describe(projector) }) };
}

function layerOf(
  { blob, sizeBytes }: RepoFile,
  mediaType: string,
): { digest: string; mediaType: string; size: number } {
  return { digest: blob, mediaType, size: sizeBytes };
}
