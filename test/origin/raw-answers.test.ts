/** Answers that a well-behaved server would not give, and how the hot path takes them. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Origin } from "@swarmd/daemon/origin/origin";
import { parseBlobId } from "@swarmd/protocol";
import { IMPATIENT, MemorySink, makeOrigin, NEVER } from "./origin-kit.js";
import { type RawAnswer, RawServer, say } from "./raw-server.js";

const SIZE = 100_000;
const BODY = Buffer.from(Array.from({ length: SIZE }, (_, i) => i % 251));
const BLOB = parseBlobId(`url:${"0".repeat(64)}:${"0".repeat(16)}:${SIZE}`);
const VALIDATORS = { etag: '"v1"' };

let server: RawServer;
let other: RawServer;
let origin: Origin;

before(async () => {
  server = await RawServer.start(() => {});
  other = await RawServer.start(() => {});
});
after(() => Promise.all([server.stop(), other.stop()]));
beforeEach(() => openOrigin());
afterEach(() => origin.stop());

function openOrigin(options = {}): void {
  server.requests.length = 0;
  other.requests.length = 0;
  origin = makeOrigin("http://hub.invalid", options);
  register(server.url);
}

function register(base: string, validators = VALIDATORS): void {
  origin.sources.register(BLOB, { kind: "url", url: `${base}/file`, sizeBytes: SIZE, validators });
}

function read(sink: MemorySink, start = 0, end = SIZE, signal = NEVER): Promise<void> {
  return origin.sources.read(BLOB, start, end, sink, { signal });
}

/** What a good server says. */
const part: RawAnswer = ({ fields }, socket) => {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(fields.range ?? "") ?? assert.fail("no Range");
  const range = { "Content-Range": `bytes ${first}-${last}/${SIZE}`, ETag: '"v1"' };
  socket.write(say(206, range, BODY.subarray(Number(first), Number(last) + 1)));
};

describe("what is refused before a byte is taken", () => {
  const slice = BODY.subarray(10, 20);
  const cases: { id: string; answer: Buffer; code: string }[] = [
    { id: "206 without Content-Range", answer: say(206, {}, slice), code: "ORIGIN_FAULT" },
    { id: "another range", answer: say(206, { "Content-Range": `bytes 11-20/${SIZE}` }, slice), code: "ORIGIN_FAULT" },
    {
      id: "a shorter range",
      answer: say(206, { "Content-Range": `bytes 10-18/${SIZE}` }, slice.subarray(1)),
      code: "ORIGIN_FAULT",
    },
    {
      id: "a longer body",
      answer: say(206, { "Content-Range": `bytes 10-19/${SIZE}` }, BODY.subarray(10, 30)),
      code: "ORIGIN_FAULT",
    },
    {
      id: "a compressed body",
      answer: say(206, { "Content-Range": `bytes 10-19/${SIZE}`, "Content-Encoding": "gzip" }, slice),
      code: "ORIGIN_FAULT",
    },
    {
      id: "a file of another size",
      answer: say(206, { "Content-Range": `bytes 10-19/${SIZE + 1}` }, slice),
      code: "ORIGIN_CHANGED",
    },
    {
      id: "another ETag",
      answer: say(206, { "Content-Range": `bytes 10-19/${SIZE}`, ETag: '"v2"' }, slice),
      code: "ORIGIN_CHANGED",
    },
    {
      id: "200 with another ETag, as If-Range wants it",
      answer: say(200, { ETag: '"v2"' }, BODY),
      code: "ORIGIN_CHANGED",
    },
    { id: "200 with the whole file", answer: say(200, { ETag: '"v1"' }, BODY), code: "ORIGIN_NO_RANGES" },
    { id: "200 with a shorter file", answer: say(200, {}, BODY.subarray(1)), code: "ORIGIN_CHANGED" },
    { id: "416, the file has shrunk", answer: say(416, { "Content-Range": "bytes */9" }), code: "ORIGIN_CHANGED" },
    { id: "416 without a reason", answer: say(416), code: "ORIGIN_FAULT" },
    { id: "404", answer: say(404), code: "FILE_NOT_FOUND" },
    { id: "403", answer: say(403), code: "ACCESS_DENIED" },
    { id: "418", answer: say(418), code: "ORIGIN_FAULT" },
    { id: "not HTTP", answer: Buffer.from("SSH-2.0-OpenSSH_9.6\r\n"), code: "ORIGIN_FAULT" },
    { id: "a redirect to nowhere", answer: say(302), code: "ORIGIN_FAULT" },
    { id: "a redirect to another protocol", answer: say(302, { Location: "ftp://x/" }), code: "ORIGIN_FAULT" },
    { id: "a redirect to itself", answer: say(302, { Location: "/file" }), code: "ORIGIN_FAULT" },
  ];
  for (const { id, answer, code } of cases) {
    it(`${id}: ${code}`, async () => {
      server.answer = (_, socket) => socket.write(answer);
      const sink = new MemorySink();
      await assert.rejects(() => read(sink, 10, 20), { code });
      assert.equal(sink.sizeBytes, 0);
    });
  }
});

describe("bodies without a length", () => {
  const chunked = (body: Buffer) =>
    Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")]);
  const head = (more: string) => Buffer.from(`HTTP/1.1 206 Part\r\nContent-Range: bytes 10-19/${SIZE}\r\n${more}\r\n`);

  it("too many bytes: ORIGIN_FAULT, and none of them gets through", async () => {
    server.answer = (_, socket) =>
      socket.write(Buffer.concat([head("Transfer-Encoding: chunked\r\n"), chunked(BODY.subarray(10, 21))]));
    const sink = new MemorySink();
    await assert.rejects(() => read(sink, 10, 20), { code: "ORIGIN_FAULT", message: /more bytes/ });
    assert.equal(sink.sizeBytes, 0);
  });

  for (const [id, more, body] of [
    ["chunked", "Transfer-Encoding: chunked\r\n", chunked(BODY.subarray(10, 19))],
    [
      "chunked, closing",
      "Connection: close\r\nTransfer-Encoding: chunked\r\n",
      chunked(BODY.subarray(10, 19)).subarray(0, 9),
    ],
    ["up to the end of the connection", "Connection: close\r\n", BODY.subarray(10, 19)],
  ] as const) {
    it(`too few bytes, ${id}: ORIGIN_UNREACHABLE`, async () => {
      server.answer = (_, socket) => socket.end(Buffer.concat([head(more), body]));
      await assert.rejects(() => read(new MemorySink(), 10, 20), { code: "ORIGIN_UNREACHABLE", blame: "origin" });
    });
  }

  it("up to the end of the connection, all there", async () => {
    server.answer = (_, socket) => socket.end(Buffer.concat([head("Connection: close\r\n"), BODY.subarray(10, 20)]));
    const sink = new MemorySink();
    await read(sink, 10, 20);
    assert.deepEqual(sink.bytes, BODY.subarray(10, 20));
  });
});

describe("a sink that needs time", () => {
  /** Lets go by hand, and notes when it was written to while it was busy. */
  class SlowSink extends MemorySink {
    wasDisturbed = false;
    #release: (() => void) | undefined;

    constructor() {
      super(() => {
        this.wasDisturbed ||= this.#release !== undefined;
        return new Promise((resolve) => {
          this.#release = resolve;
        });
      });
    }

    /** Lets go as soon as there is something to let go of. */
    async pump(isDone: () => boolean): Promise<void> {
      while (!isDone()) {
        await new Promise((resolve) => setImmediate(resolve));
        const release = this.#release;
        this.#release = undefined;
        release?.();
      }
    }
  }

  const whole = (fields: string) => `HTTP/1.1 206 Part\r\nContent-Range: bytes 0-${SIZE - 1}/${SIZE}\r\n${fields}\r\n`;
  const good: [string, RawAnswer][] = [
    ["keep-alive", part],
    [
      "a connection that closes after the answer",
      (_, socket) =>
        socket.end(Buffer.concat([Buffer.from(whole(`Connection: close\r\nContent-Length: ${SIZE}\r\n`)), BODY])),
    ],
    [
      "a body up to the end of the connection",
      (_, socket) => socket.end(Buffer.concat([Buffer.from(whole("Connection: close\r\n")), BODY])),
    ],
    [
      "many small chunks",
      (_, socket) => {
        socket.write(whole("Transfer-Encoding: chunked\r\n"));
        for (let at = 0; at < SIZE; at += 1000) {
          socket.write("3e8\r\n");
          socket.write(BODY.subarray(at, at + 1000));
          socket.write("\r\n");
        }
        socket.write("0\r\n\r\n");
      },
    ],
  ];
  for (const [id, answer] of good) {
    it(`gets the bytes one chunk at a time: ${id}`, async () => {
      server.answer = answer;
      const sink = new SlowSink();
      let isDone = false;
      const reading = read(sink).finally(() => {
        isDone = true;
      });
      await sink.pump(() => isDone);
      await reading;
      assert.deepEqual(sink.bytes, BODY);
      assert.equal(sink.wasDisturbed, false);
    });
  }

  it("is waited for: the read ends after its last promise", async () => {
    server.answer = part;
    let last: (() => void) | undefined;
    const sink = new MemorySink((sizeBytes) =>
      sizeBytes < SIZE
        ? undefined
        : new Promise((resolve) => {
            last = resolve;
          }),
    );
    let isDone = false;
    const reading = read(sink).finally(() => {
      isDone = true;
    });
    while (last === undefined) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isDone, false);
    last();
    await reading;
  });

  it("does not look like a silent server", async () => {
    await origin.stop();
    openOrigin(IMPATIENT);
    server.answer = part;
    let isFirst = true;
    const sink = new MemorySink(() => {
      if (!isFirst) return undefined;
      isFirst = false;
      return new Promise((resolve) => setTimeout(resolve, 2 * IMPATIENT.idleTimeoutMs));
    });
    await read(sink);
    assert.deepEqual(sink.bytes, BODY);
  });

  const cut = Buffer.from(whole(`Connection: close\r\nContent-Length: ${SIZE}\r\n`));
  const broken: [string, RawAnswer][] = [
    ["closed", (_, socket) => socket.end(Buffer.concat([cut, BODY.subarray(0, 500)]))],
    ["reset", (_, socket) => socket.write(Buffer.concat([cut, BODY.subarray(0, 500)]), () => socket.resetAndDestroy())],
  ];
  for (const [id, answer] of broken) {
    it(`does not hide that the connection was ${id} meanwhile`, async () => {
      server.answer = answer;
      const sink = new SlowSink();
      let isDone = false;
      const reading = read(sink).finally(() => {
        isDone = true;
      });
      await Promise.all([assert.rejects(reading, { code: "ORIGIN_UNREACHABLE" }), sink.pump(() => isDone)]);
    });
  }

  it("may be given up from within another sink", async () => {
    server.answer = part;
    const abort = new AbortController();
    let isHeld: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      isHeld = resolve;
    });
    const stuck = new MemorySink(() => {
      isHeld();
      return new Promise(() => {});
    });
    const stopped = assert.rejects(() => read(stuck, 0, SIZE, abort.signal), { code: "INTERRUPTED" });
    await held;
    const stopper = new MemorySink(() => {
      abort.abort();
      return undefined;
    });
    await read(stopper);
    await stopped;
    assert.deepEqual(stopper.bytes, BODY);
  });
});

describe("connections", () => {
  it("are kept from one range to the next", async () => {
    const ports = new Set<number | undefined>();
    server.answer = (request, socket) => {
      ports.add(socket.remotePort);
      part(request, socket);
    };
    for (let i = 0; i < 5; i++) await read(new MemorySink(), i * 10, i * 10 + 10);
    // Two, because a connection is free again only a turn of the event loop after its answer.
    assert.ok(ports.size <= 2, `${ports.size} connections`);
  });

  it("sends If-Range with a strong tag only", async () => {
    server.answer = part;
    await read(new MemorySink(), 0, 10);
    register(server.url, { etag: 'W/"v1"' });
    await read(new MemorySink(), 0, 10);
    assert.deepEqual(
      server.requests.map(({ fields }) => fields["if-range"]),
      ['"v1"', undefined],
    );
    assert.ok(server.requests.every(({ fields }) => fields["accept-encoding"] === "identity"));
  });
});

describe("redirects of a plain URL", () => {
  it("credentials stay with their host, and the place is remembered", async () => {
    server.answer = (_, socket) => socket.write(say(302, { Location: `${other.url}/moved?sig=1` }));
    other.answer = part;
    register(`http://me:secret@${server.host}`);
    await read(new MemorySink(), 0, 10);
    await read(new MemorySink(), 10, 20);
    assert.deepEqual(
      server.requests.map(({ fields }) => fields.authorization),
      [`Basic ${btoa("me:secret")}`],
    );
    assert.deepEqual(
      other.requests.map(({ fields }) => fields.authorization),
      [undefined, undefined],
    );
  });

  it("credentials in a Location are not used", async () => {
    server.answer = (_, socket) => socket.write(say(302, { Location: `http://me:secret@${other.host}/moved` }));
    other.answer = part;
    await read(new MemorySink(), 0, 10);
    assert.equal(other.requests[0]?.fields.authorization, undefined);
  });

  it("on the same host they are kept", async () => {
    server.answer = (request, socket) =>
      request.path === "/file" ? socket.write(say(307, { Location: "/here" })) : part(request, socket);
    register(`http://me:secret@${server.host}`);
    await read(new MemorySink(), 0, 10);
    await read(new MemorySink(), 10, 20);
    assert.deepEqual(
      server.requests.map(({ path }) => path),
      ["/file", "/here", "/here"],
    );
    assert.ok(server.requests.every(({ fields }) => fields.authorization !== undefined));
  });

  it("a place that moves on is followed, and remembered", async () => {
    server.answer = (_, socket) => socket.write(say(302, { Location: `${other.url}/a` }));
    other.answer = (request, socket) =>
      request.path === "/a" ? socket.write(say(302, { Location: "/b" })) : part(request, socket);
    await read(new MemorySink(), 0, 10);
    await read(new MemorySink(), 10, 20);
    assert.deepEqual(
      other.requests.map(({ path }) => path),
      ["/a", "/b", "/b"],
    );
  });
});
