import assert from "node:assert/strict";
import { test } from "node:test";
import { explainChoice } from "./link-choice.js";
import type { PeerRoute } from "./routes.js";

function routeOf(link: string, more: Partial<PeerRoute> = {}): PeerRoute {
  return { link, host: link, port: 1, class: "ethernet", speedBytesPerS: 0, via: "eth0", why: "", ...more };
}

const table = [
  { id: "alone", routes: [routeOf("a")], why: "the only one" },
  {
    id: "a better class",
    routes: [routeOf("a", { class: "thunderbolt" }), routeOf("b")],
    why: "thunderbolt goes before ethernet",
  },
  {
    id: "faster",
    routes: [routeOf("a", { speedBytesPerS: 2 }), routeOf("b", { speedBytesPerS: 1 })],
    why: "the fastest ethernet",
  },
  {
    id: "equal",
    routes: [routeOf("a"), routeOf("b")],
    why: "equal ones go in the order in which the peer names them",
  },
  {
    id: "nothing else but the last resort",
    routes: [routeOf("a", { class: "routed" }), routeOf("libp2p", { class: "routed", port: 0 })],
    why: "before the libp2p connection",
  },
  {
    id: "it failed and another took over",
    routes: [routeOf("a", { class: "rdma" }), routeOf("b")],
    lastLink: "b",
    why: "rdma goes before ethernet; it failed the last time, b did not",
  },
];

for (const { id, routes, lastLink, why } of table) {
  test(`the first link is chosen: ${id}`, () => {
    const [first, ...rest] = explainChoice(routes, lastLink);
    assert.deepEqual([first?.isChosen, first?.whyChosen], [true, why]);
    for (const { route, isChosen, whyChosen } of rest) {
      const expected = route.link === lastLink ? "took over when a better one failed" : "when a better one fails";
      assert.deepEqual([isChosen, whyChosen], [false, expected]);
    }
  });
}

test("no way, no choice", () => assert.deepEqual(explainChoice([], undefined), []));
