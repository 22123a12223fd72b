"use strict";
/**
 * The node, in one file and with what V8 made of it last time: to find and compile some six hundred small modules takes a second.
 * Run by itself, it only writes that cache, as the build does. Given a module that exports `exercise`, it lets that use the node first:
 * V8 compiles functions when they are first called, and the cache holds what is compiled.
 *
 * V8 refuses a cache of another version of itself. Then, as without one, the file is compiled, and the cache written anew if this
 * folder may be written to.
 */
const { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { setFlagsFromString } = require("node:v8");
const { Script } = require("node:vm");

const FILE = join(__dirname, "..", "dist", "daemon.bundle.cjs");
const CACHE = `${FILE}.cache`;
/**
 * On Node 20, whose V8 has no tier between the first and the last; later ones don't know the flag.
 *
 * What has to run before V8 optimizes a function, in bytes of bytecode; six times its default. A node is threads that do a little of
 * everything now and then, and a seventh of their time went into optimizing that. With more, a node stays slow for longer: with forty times the
 * default, eight nodes took 5 % more time for their second and third gigabyte.
 */
const INTERRUPT_BUDGET = process.versions.v8.startsWith("11.") ? 400_000 : undefined;
/** How much the heap may grow, in percent of what is alive, before it is cleared: by default it may double several times. */
const HEAP_GROWING_PERCENT = 50;
/** A node that has just started has other things to do. */
const WRITE_AFTER_MS = 10_000;

function readCache() {
  try {
    return readFileSync(CACHE);
  } catch {
    return undefined;
  }
}

/** Whole or not at all: several nodes may start at once. Everything works without it, so nobody is told. */
function writeCache(script) {
  const fresh = `${CACHE}.${process.pid}`;
  try {
    const file = openSync(fresh, "w");
    try {
      writeFileSync(file, script.createCachedData());
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, CACHE);
  } catch {
    rmSync(fresh, { force: true });
  }
}

function compile() {
  // The bundler writes ASCII only, and this is the fastest way to read it.
  const source = `(function (module, exports, require, daemonUrl) {${readFileSync(FILE, "latin1")}\n})`;
  return new Script(source, { filename: FILE, cachedData: readCache() });
}

function run(script) {
  // Its threads, and the few packages that can't be bundled, are found from the package itself.
  const index = require.resolve("@swarmd/daemon");
  const bundle = { exports: {} };
  script.runInThisContext()(bundle, bundle.exports, createRequire(index), pathToFileURL(index).href);
  return bundle.exports;
}

// Before the cache is read: it is good for these flags only.
if (INTERRUPT_BUDGET !== undefined) setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
const script = compile();
module.exports = run(script);
/** A cache that holds less is better than none. */
async function exerciseAndWrite() {
  try {
    if (process.argv[2] !== undefined) await (await import(process.argv[2])).exercise(module.exports.startNode);
  } catch (error) {
    process.stderr.write(`warning: the node's code cache holds only what a start needs: ${error.stack}\n`);
  }
  writeCache(script);
  process.exit();
}

if (require.main === module) void exerciseAndWrite();
else if (script.cachedDataRejected !== false) setTimeout(() => writeCache(script), WRITE_AFTER_MS).unref();
