import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { Stream } from "@libp2p/interface";
import { type NodeId, parseNodeId, SwarmError } from "@swarmd/protocol";
import { messagesOf } from "./bounded.js";
import { type TalkDesk, Talks } from "./talks.js";

const ASKER = parseNodeId("12D3KooWAsker");
const ASKED = parseNodeId("12D3KooWAsked");
/** Each question has its own: so many on one look like a leak. */
const never = () => new AbortController().signal;
const bytes = (text: string) => Buffer.from(text);
const say = (text: string, answers = 1) => ({ topic: "ticket" as const, question: bytes(text), answers });

/** One direction of a stream. */
class Pipe {
  readonly #chunks: Uint8Array[] = [];
  #end: Error | "closed" | undefined;
  #wake: () => void = () => undefined;

  push(chunk: { slice(): Uint8Array }): void {
    this.#chunks.push(chunk.slice());
    this.#wake();
  }

  end(why: Error | "closed"): void {
    this.#end ??= why;
    this.#wake();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) yield chunk;
      else if (this.#end instanceof Error) throw this.#end;
      else if (this.#end !== undefined) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** Counts the messages that this end sent. */
type CountingStream = Stream & { sent: number };

/** The parts of a libp2p stream that conversations use. */
function streamPair(): readonly [Stream, Stream] {
  const [there, back] = [new Pipe(), new Pipe()];
  const end = (incoming: Pipe, outgoing: Pipe) => {
    const stream = {
      sent: 0,
      source: incoming.read(),
      sink: async (source: AsyncIterable<{ slice(): Uint8Array }>) => {
        for await (const chunk of source) {
          stream.sent += 1;
          outgoing.push(chunk);
        }
        outgoing.end("closed");
      },
      close: async () => outgoing.end("closed"),
      abort: (error: Error) => {
        incoming.end(error);
        outgoing.end(new Error("reset by the other side"));
      },
    };
    return stream as unknown as CountingStream;
  };
  return [end(back, there), end(there, back)];
}

describe("questions and answers on one stream", { timeout: 20_000 }, () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  /** Two nodes. The route can be changed; every stream that was opened is there. */
  function pair(desk: TalkDesk) {
    const opened: Stream[] = [];
    const taken: Promise<void>[] = [];
    const state = { route: "first" };
    const noDesk: TalkDesk = async () => assert.fail("the wrong desk");
    const asked = new Talks({
      openStream: () => Promise.reject(new Error("asks nobody")),
      routeTo: () => undefined,
      desks: { ticket: desk, evidence: noDesk },
    });
    const asker = new Talks({
      openStream: async () => {
        const [ours, theirs] = streamPair();
        opened.push(ours);
        taken.push(asked.take(ASKER, theirs).catch(() => undefined));
        return ours;
      },
      routeTo: () => state.route,
      desks: { ticket: noDesk, evidence: noDesk },
    });
    ends.push(
      () => asker.stop(),
      () => asked.stop(),
    );
    const ask = async (text: string, signal = never()) =>
      asker.ask(ASKED, say(text), { signal }, async (answers) => Buffer.from(await answers.next()).toString());
    return { asker, asked, opened, taken, state, ask };
  }

  const echo: TalkDesk = async (_peer, question, answer) => answer(question);

  it("answers many, each by its own, in whatever order they are done", async () => {
    const waiting: (() => void)[] = [];
    const { ask, opened } = pair(async (peer, question, answer) => {
      assert.equal(peer, ASKER);
      await new Promise<void>((resolve) => waiting.push(resolve));
      await answer(question);
    });
    const texts = Array.from({ length: 100 }, (_, index) => `question ${index}`);
    const answers = Promise.all(texts.map((text) => ask(text)));
    while (waiting.length < texts.length) await new Promise((resolve) => setImmediate(resolve));
    for (const go of waiting.reverse()) go();
    assert.deepEqual(await answers, texts);
    assert.equal(opened.length, 1);
  });

  it("lets more than a peer would take wait for their turn", async () => {
    let open = 0;
    let most = 0;
    const { ask, opened } = pair(async (_peer, question, answer) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 2));
      open -= 1;
      await answer(question);
    });
    const texts = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    assert.deepEqual(await Promise.all(texts.map((text) => ask(text))), texts);
    assert.ok(most > 50 && most <= 256, `${most} at a time`);
    assert.equal(opened.length, 1);
  });

  it("gives several answers to one question, and stops the desk when enough are heard", async () => {
    let stopped: AbortSignal | undefined;
    const { asker } = pair(async (_peer, question, answer, { signal }) => {
      stopped = signal;
      for (const byte of question) await answer(Uint8Array.of(byte));
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    });
    const heard = await asker.ask(ASKED, say("abc", 4), { signal: never() }, async (answers) => {
      const all = [await answers.next(), await answers.next(), await answers.next()];
      return Buffer.concat(all).toString();
    });
    assert.equal(heard, "abc");
    while (stopped?.aborted !== true) await new Promise((resolve) => setImmediate(resolve));
  });

  it("says nothing more about a question that has all its answers", async () => {
    const { ask, opened } = pair(echo);
    for (const text of ["one", "two", "three"]) assert.equal(await ask(text), text);
    assert.equal((opened[0] as CountingStream).sent, 3);
  });

  it("ends one question that the desk refuses, and no other", async () => {
    const { ask, opened } = pair(async (_peer, question, answer) => {
      if (question.length === 3) throw new SwarmError("PEER_DENIED", "not for you");
      await answer(question);
    });
    const [bad, good] = [ask("bad"), ask("good")];
    await assert.rejects(bad, { code: "PEER_UNREACHABLE" });
    assert.equal(await good, "good");
    assert.equal(opened.length, 1);
  });

  it("gives up a question when its asker does; a late answer to it goes nowhere", async () => {
    const waiting: (() => void)[] = [];
    const { ask } = pair(async (_peer, question, answer) => {
      if (question.length === 4) await new Promise<void>((resolve) => waiting.push(resolve));
      await answer(question);
    });
    const abort = new AbortController();
    const slow = ask("slow", abort.signal);
    assert.equal(await ask("fast one"), "fast one");
    abort.abort(new SwarmError("INTERRUPTED", "not needed"));
    await assert.rejects(slow, { code: "INTERRUPTED" });
    for (const go of waiting) go();
    assert.equal(await ask("another"), "another");
  });

  it("fails all that is open when the stream breaks, and opens another for the next", async () => {
    const { ask, opened } = pair((_peer, question, answer) =>
      question.length === 4 ? new Promise(() => undefined) : answer(question),
    );
    const open = [ask("open"), ask("also")];
    assert.equal(await ask("hello"), "hello");
    opened[0]?.abort(new Error("the cable is out"));
    for (const one of open) await assert.rejects(one, /cable/);
    assert.equal(await ask("hello"), "hello");
    assert.equal(opened.length, 2);
  });

  it("goes over to a newer connection", async () => {
    const { ask, opened, state } = pair(echo);
    assert.equal(await ask("hello"), "hello");
    state.route = "second";
    assert.equal(await ask("hello"), "hello");
    assert.equal(await ask("hello"), "hello");
    assert.equal(opened.length, 2);
  });

  it("says so when the peer can't be reached, and tries again for the next", async () => {
    let tries = 0;
    const talks = new Talks({
      openStream: async () => {
        tries += 1;
        throw new SwarmError("PEER_UNREACHABLE", "nobody there");
      },
      routeTo: () => undefined,
      desks: { ticket: echo, evidence: echo },
    });
    for (const _ of [1, 2]) {
      const asking = talks.ask(ASKED, say("hello"), { signal: never() }, (answers) => answers.next());
      await assert.rejects(asking, { code: "PEER_UNREACHABLE" });
    }
    assert.equal(tries, 2);
  });

  for (const { id, frames } of [
    { id: "of no kind", frames: [[0, 0, 0, 1, 9]] },
    { id: "that is too short", frames: [[0, 0]] },
    { id: "that answers what nobody asked", frames: [[0, 0, 0, 1, 3, 65]] },
    {
      id: "with a number that is taken",
      frames: [
        [0, 0, 0, 1, 1, 65],
        [0, 0, 0, 1, 1, 65],
      ],
    },
    { id: "too many", frames: Array.from({ length: 300 }, (_, index) => [0, 0, index >> 8, index & 255, 1, 65]) },
  ]) {
    it(`cuts the stream of a peer that sends a frame ${id}`, async () => {
      const { asked } = pair(() => new Promise(() => undefined));
      const [ours, theirs] = streamPair();
      const cut = asked.take(ASKER as NodeId, theirs);
      const messages = messagesOf(ours, 1_000);
      const sent = (async () => {
        for (const frame of frames) await messages.write(Uint8Array.from(frame));
      })();
      await assert.rejects(cut, { code: "PEER_FAULT" });
      await sent.catch(() => undefined);
    });
  }
});
