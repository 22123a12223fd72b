import assert from "node:assert/strict";
import { it } from "node:test";
import { QuietHosts } from "./quiet-hosts.js";

it("a host is left alone as long as it asked for, and no other host with it", () => {
  const hosts = new QuietHosts();
  hosts.note("a", 1_000, 0);
  assert.equal(hosts.remainingMs("a", 400), 600);
  assert.equal(hosts.remainingMs("b", 400), 0);
  assert.equal(hosts.remainingMs("a", 1_000), 0);
});

it("a shorter wish does not end a longer one", () => {
  const hosts = new QuietHosts();
  hosts.note("a", 1_000, 0);
  hosts.note("a", 10, 100);
  assert.equal(hosts.remainingMs("a", 500), 500);
});
