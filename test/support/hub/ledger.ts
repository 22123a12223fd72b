/** What the Hub has sent, to whom, and how much of it twice. */
import type { FaultKind } from "./faults.js";
import { IntervalSet } from "./intervals.js";
import type { RequestKind } from "./route.js";

export interface FileStats {
  readonly sizeBytes: number;
  /** Body bytes, handed to the kernel; what a client left unread when it went away counts as sent. */
  readonly bytesSent: number;
  /** Of these, bytes of ranges that had been sent before, to anyone. */
  readonly bytesSentTwice: number;
  /** How many different bytes of the file have been sent. */
  readonly bytesCovered: number;
  /** Answers that carried bytes of the file. */
  readonly responses: number;
}

export interface ClientStats {
  readonly bytesSent: number;
  readonly requests: number;
}

/** A request as it came in and was answered. */
export interface RequestRecord {
  readonly kind: RequestKind;
  readonly method: string;
  /** Path and query as the client sent them. */
  readonly url: string;
  readonly range: string | undefined;
  readonly userAgent: string | undefined;
  readonly hasAuthorization: boolean;
  /** 0 when the client or a fault ended it before a status was sent. */
  status: number;
}

export interface HubStats {
  /** Bytes of file bodies, from both listeners: the egress. */
  readonly bytesSent: number;
  readonly bytesSentTwice: number;
  /** Bytes of JSON answers. */
  readonly apiBytesSent: number;
  /** By `org/name/path`, `datasets/org/name/path` or `files/name`. */
  readonly files: Readonly<Record<string, FileStats>>;
  /** By `<remote address> <User-Agent>`. */
  readonly clients: Readonly<Record<string, ClientStats>>;
  readonly requests: number;
  readonly requestsByKind: Readonly<Partial<Record<RequestKind, number>>>;
  readonly responsesByStatus: Readonly<Record<number, number>>;
  readonly openRequests: number;
  readonly maxConcurrentRequests: number;
  readonly openConnections: number;
  readonly maxConcurrentConnections: number;
  /** Must be 0: a token has no business at the CDN. */
  readonly cdnRequestsWithAuthorization: number;
  readonly faultsFired: Readonly<Partial<Record<FaultKind, number>>>;
}

interface FileAccount {
  sizeBytes: number;
  bytesSent: number;
  bytesSentTwice: number;
  responses: number;
  /** By content: the same range of another version is not sent twice. */
  readonly ranges: Map<string, IntervalSet>;
}

/** How many requests {@link Ledger.log} remembers. */
const LOG_LENGTH = 10_000;

export class Ledger {
  #files = new Map<string, FileAccount>();
  #clients = new Map<string, { bytesSent: number; requests: number }>();
  #byKind = new Map<RequestKind, number>();
  #byStatus = new Map<number, number>();
  #fired = new Map<FaultKind, number>();
  #log: RequestRecord[] = [];
  #apiBytesSent = 0;
  #requests = 0;
  #cdnWithAuthorization = 0;
  #openRequests = 0;
  #maxRequests = 0;
  #openConnections = 0;
  #maxConnections = 0;

  /** The latest requests, oldest first. */
  get log(): readonly RequestRecord[] {
    return this.#log;
  }

  openConnection(): void {
    this.#openConnections += 1;
    this.#maxConnections = Math.max(this.#maxConnections, this.#openConnections);
  }

  closeConnection(): void {
    this.#openConnections -= 1;
  }

  openRequest(record: RequestRecord, client: string): void {
    this.#requests += 1;
    this.#openRequests += 1;
    this.#maxRequests = Math.max(this.#maxRequests, this.#openRequests);
    count(this.#byKind, record.kind);
    if (record.kind === "cdn" && record.hasAuthorization) this.#cdnWithAuthorization += 1;
    this.#client(client).requests += 1;
    this.#log.push(record);
    if (this.#log.length > LOG_LENGTH) this.#log.shift();
  }

  closeRequest(record: RequestRecord): void {
    this.#openRequests -= 1;
    count(this.#byStatus, record.status);
  }

  countFault(kind: FaultKind): void {
    count(this.#fired, kind);
  }

  countApiBytes(client: string, bytes: number): void {
    this.#apiBytesSent += bytes;
    this.#client(client).bytesSent += bytes;
  }

  /** The account of one answer with bytes of a file. `contentKey` tells versions of the file apart. */
  openResponse(file: string, contentKey: string, sizeBytes: number): FileAccountEntry {
    const account = this.#files.get(file) ?? {
      sizeBytes,
      bytesSent: 0,
      bytesSentTwice: 0,
      responses: 0,
      ranges: new Map(),
    };
    this.#files.set(file, account);
    account.sizeBytes = sizeBytes;
    account.responses += 1;
    const ranges = account.ranges.get(contentKey) ?? new IntervalSet();
    account.ranges.set(contentKey, ranges);
    return {
      countSent: (client, start, end, wireBytes = end - start) => {
        account.bytesSent += wireBytes;
        account.bytesSentTwice += ranges.add(start, end);
        this.#client(client).bytesSent += wireBytes;
      },
    };
  }

  stats(): HubStats {
    const files = [...this.#files].map(([name, account]) => [name, fileStatsOf(account)] as const);
    return {
      bytesSent: files.reduce((sum, [, file]) => sum + file.bytesSent, 0),
      bytesSentTwice: files.reduce((sum, [, file]) => sum + file.bytesSentTwice, 0),
      apiBytesSent: this.#apiBytesSent,
      files: Object.fromEntries(files),
      clients: Object.fromEntries([...this.#clients].map(([name, client]) => [name, { ...client }])),
      requests: this.#requests,
      requestsByKind: Object.fromEntries(this.#byKind),
      responsesByStatus: Object.fromEntries(this.#byStatus),
      openRequests: this.#openRequests,
      maxConcurrentRequests: this.#maxRequests,
      openConnections: this.#openConnections,
      maxConcurrentConnections: this.#maxConnections,
      cdnRequestsWithAuthorization: this.#cdnWithAuthorization,
      faultsFired: Object.fromEntries(this.#fired),
    };
  }

  /** Back to nothing sent. Requests and connections that are open stay open; their bytes before this are forgotten. */
  reset(): void {
    this.#files.clear();
    this.#clients.clear();
    this.#byKind.clear();
    this.#byStatus.clear();
    this.#fired.clear();
    this.#log = [];
    this.#apiBytesSent = 0;
    this.#requests = 0;
    this.#cdnWithAuthorization = 0;
    this.#maxRequests = this.#openRequests;
    this.#maxConnections = this.#openConnections;
  }

  #client(name: string): { bytesSent: number; requests: number } {
    const known = this.#clients.get(name) ?? { bytesSent: 0, requests: 0 };
    this.#clients.set(name, known);
    return known;
  }
}

export interface FileAccountEntry {
  /** `[start, end)` of the file went out; `wireBytes` when it was sent compressed. */
  countSent(client: string, start: number, end: number, wireBytes?: number): void;
}

function fileStatsOf(account: FileAccount): FileStats {
  return {
    sizeBytes: account.sizeBytes,
    bytesSent: account.bytesSent,
    bytesSentTwice: account.bytesSentTwice,
    bytesCovered: [...account.ranges.values()].reduce((sum, set) => sum + set.coveredBytes, 0),
    responses: account.responses,
  };
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
