import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import { Tickets } from "./lane-ticket.js";

const [A, B] = [parseNodeId("peerA"), parseNodeId("peerB")];
const blob = (n: number) => parseBlobId(`sha256:${n.toString(16).padStart(64, "0")}`);

describe("Tickets", () => {
  it("know whose they are, for their blob and their time", () => {
    const tickets = new Tickets({ validMs: 100 });
    const { ticket, validMs } = tickets.issue(A, blob(1), 1_000);
    assert.equal(validMs, 100);
    assert.equal(tickets.check(ticket, blob(1), 1_099), A);
    assert.equal(tickets.check(ticket, blob(2), 1_099), undefined);
    assert.equal(tickets.check(ticket, blob(1), 1_100), undefined);
  });

  it("are prolonged when they are asked for again, and stay the same", () => {
    const tickets = new Tickets({ validMs: 100 });
    const first = tickets.issue(A, blob(1), 0);
    assert.equal(tickets.issue(A, blob(1), 60).ticket, first.ticket);
    assert.equal(tickets.check(first.ticket, blob(1), 150), A);
    assert.equal(tickets.size, 1);
  });

  it("are new once the old one is dead", () => {
    const tickets = new Tickets({ validMs: 100 });
    const first = tickets.issue(A, blob(1), 0).ticket;
    assert.notEqual(tickets.issue(A, blob(1), 100).ticket, first);
    assert.equal(tickets.check(first, blob(1), 100), undefined);
    assert.equal(tickets.size, 1);
  });

  for (const { id, forge } of [
    { id: "an empty one", forge: () => "" },
    { id: "only its name", forge: (ticket: string) => ticket.split(".")[0] as string },
    {
      id: "one whose secret differs in the last letter",
      forge: (ticket: string) => `${ticket.slice(0, -2)}${ticket.at(-2) === "A" ? "B" : "A"}${ticket.at(-1)}`,
    },
    { id: "one that is too long", forge: (ticket: string) => `${ticket}AAAA` },
    {
      id: "one with another's secret",
      forge: (ticket: string, other: string) => `${ticket.split(".")[0]}.${other.split(".")[1]}`,
    },
  ]) {
    it(`refuse ${id}`, () => {
      const tickets = new Tickets();
      const [own, other] = [tickets.issue(A, blob(1), 0).ticket, tickets.issue(B, blob(1), 0).ticket];
      assert.equal(tickets.check(forge(own, other), blob(1), 0), undefined);
    });
  }

  it("of a revoked peer are void, and only those", () => {
    const tickets = new Tickets();
    const [own, other] = [tickets.issue(A, blob(1), 0).ticket, tickets.issue(B, blob(1), 0).ticket];
    tickets.revoke(A);
    assert.equal(tickets.check(own, blob(1), 0), undefined);
    assert.equal(tickets.check(other, blob(1), 0), B);
  });

  it("are bounded: one peer that asks for ever pushes out its own, not another's", () => {
    const tickets = new Tickets();
    const kept = tickets.issue(B, blob(0), 0).ticket;
    for (let n = 1; n <= 2_000; n += 1) tickets.issue(A, blob(n), 0);
    assert.ok(tickets.size <= 513);
    assert.equal(tickets.check(kept, blob(0), 0), B);
  });
});
