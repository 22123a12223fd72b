import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SwarmError } from "@swarmd/protocol";
import { throwIfAborted, toStoreError } from "./disk-faults.js";

describe("faults of the disk", () => {
  for (const { errno, code, message, hint } of [
    {
      errno: "ENOSPC",
      code: "NO_SPACE",
      message: /no space left to write \/c\/x; 1.50 kB were still/,
      hint: /goes on from it/,
    },
    { errno: "EDQUOT", code: "NO_SPACE", message: /no space left/, hint: /--cache-dir/ },
    { errno: "EROFS", code: "STORE_FAULT", message: /could not write \/c\/x: EROFS/, hint: /read-only/ },
    { errno: "EACCES", code: "STORE_FAULT", message: /could not write/, hint: /right to write/ },
    { errno: "EIO", code: "STORE_FAULT", message: /could not write/, hint: /check it/ },
    { errno: "EFBIG", code: "STORE_FAULT", message: /could not write/, hint: /4 GiB/ },
    { errno: "EWHATEVER", code: "STORE_FAULT", message: /could not write/, hint: /Check/ },
  ]) {
    test(`${errno}: ${code}, what it is about, and what to do`, () => {
      const cause = Object.assign(new Error(`${errno}: something`), { code: errno });
      const error = toStoreError(cause, "write", "/c/x", 1500);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      assert.equal(error.cause, cause);
    });
  }

  test("an error that is one of ours stays what it is", () => {
    const error = new SwarmError("INTEGRITY", "wrong");
    assert.equal(toStoreError(error, "write", "/x"), error);
  });

  test("an abort is INTERRUPTED, or whatever it was aborted with", () => {
    throwIfAborted(new AbortController().signal);
    assert.throws(() => throwIfAborted(AbortSignal.abort()), { code: "INTERRUPTED" });
    const reason = new SwarmError("NO_SPACE", "full");
    assert.throws(() => throwIfAborted(AbortSignal.abort(reason)), reason);
  });
});
