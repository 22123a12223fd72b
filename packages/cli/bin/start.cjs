"use strict";
const { existsSync } = require("node:fs");
const { join } = require("node:path");

/** Loads the bundle of a binary; says what to do in a checkout that is not built yet. */
module.exports = function start(name) {
  const bundle = join(__dirname, "..", "dist", `${name}.bundle.cjs`);
  if (existsSync(bundle)) {
    require(bundle);
    return;
  }
  process.stderr.write(`error: ${name} is not built yet\nhint: run npm run build in the checkout\n`);
  process.exitCode = 1;
};
