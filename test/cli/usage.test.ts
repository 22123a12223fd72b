/** One mistake per command: exit code 2, one sentence, the nearest right spelling, nothing on stdout. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { environmentFor, type Folders, jsonLines, launch, makeFolders } from "../support/binaries.js";

let folders: Folders;
let env: NodeJS.ProcessEnv;

before(async () => {
  folders = await makeFolders();
  env = environmentFor(folders, "http://127.0.0.1:9");
});

after(() => folders.remove());

const CASES: readonly { line: string; says: RegExp; hint: RegExp }[] = [
  { line: "swarm pul org/name", says: /unknown command 'pul'/, hint: /Did you mean pull\?/ },
  { line: "swarm pull --revison v1 org/name", says: /unknown option '--revison'/, hint: /Did you mean --revision\?/ },
  { line: "swarm pull", says: /missing required argument 'target'/, hint: /--help/ },
  { line: "swarm pull a/b c/d", says: /too many arguments/, hint: /--help/ },
  { line: "swarm pull modles/org/name", says: /not a repo name/, hint: /models\/org\/name/ },
  { line: "swarm pull org/na me", says: /too many arguments/, hint: /--help/ },
  { line: "swarm pull htps://host/file", says: /not a repo name/, hint: /https:\/\/host\/file/ },
  { line: "swarm pull a/b --workers many", says: /--workers is no whole number from 1 to 64: "many"/, hint: /default/ },
  { line: "swarm pull a/b --workers 0", says: /--workers/, hint: /default/ },
  { line: "swarm pull a/b@x --revision y", says: /two revisions/, hint: /one of them/ },
  { line: "swarm pull a/b --include", says: /'--include <glob>' argument missing/, hint: /--help/ },
  { line: "swarm pull a/b --local-dir x --out y", says: /--local-dir and --out exclude each other/, hint: /folder/ },
  { line: "swarm pull https://host/x --revision y", says: /--revision is for repos/, hint: /Leave it out/ },
  { line: "swarm pull a/b --max-download 5XB", says: /unknown option '--max-download'/, hint: /./ },
  { line: "swarm rm", says: /missing required argument/, hint: /--help/ },
  { line: "swarm rm a/b", says: /nobody can be asked/, hint: /--yes/ },
  { line: "swarm rm https://host/x --yes", says: /not a repo name/, hint: /./ },
  { line: "swarm verify a/b/c/d", says: /not a repo name/, hint: /./ },
  { line: "swarm ls --jsn", says: /unknown option '--jsn'/, hint: /Did you mean --json\?/ },
  { line: "swarm status now", says: /too many arguments/, hint: /--help/ },
  { line: "swarm doctor --fix", says: /unknown option '--fix'/, hint: /./ },
  { line: "swarmd strat", says: /unknown command 'strat'/, hint: /Did you mean start\?/ },
  { line: "swarmd start --log-format jsno", says: /--log-format is none of pretty, json/, hint: /Did you mean json\?/ },
  { line: "swarmd start --worker 3", says: /unknown option '--worker'/, hint: /Did you mean --workers\?/ },
  { line: "swarmd start --workers 100", says: /--workers/, hint: /default/ },
  { line: "swarmd start --origin hub", says: /--origin/, hint: /http/ },
  { line: "swarmd stop --force", says: /unknown option '--force'/, hint: /./ },
];

describe("a mistake on the command line", { concurrency: 2 }, () => {
  for (const { line, says, hint } of CASES) {
    it(line, async () => {
      const [binary, ...args] = line.split(" ");
      const { exitCode, stdout, stderr } = await launch(binary as "swarm" | "swarmd", args, env).finished;
      const [error = "", advice = ""] = stderr.split("\n");
      assert.equal(exitCode, 2, stderr);
      assert.match(error, /^error: /);
      assert.match(error, says);
      assert.match(advice, /^hint: /);
      assert.match(advice, hint);
      assert.equal(stdout, "");
    });
  }

  it("an empty pattern", async () => {
    const { exitCode, stderr } = await launch("swarm", ["pull", "a/b", "--include", ""], env).finished;
    assert.equal(exitCode, 2);
    assert.match(stderr, /include pattern is empty/);
  });

  it("no command at all: the help, on stderr", async () => {
    const { exitCode, stdout, stderr } = await launch("swarm", [], env).finished;
    assert.deepEqual([exitCode, stdout], [2, ""]);
    assert.match(stderr, /Usage: swarm/);
  });

  it("--json: one error line on stdout, nothing on stderr", async () => {
    const { exitCode, stdout, stderr } = await launch("swarm", ["pull", "modles/a/b", "--json"], env).finished;
    assert.equal(exitCode, 2);
    assert.equal(stderr, "");
    const [line, ...more] = jsonLines(stdout);
    assert.deepEqual([line?.type, line?.code, line?.hint], ["error", "USAGE", "Did you mean models/a/b?"]);
    assert.deepEqual(more, []);
  });
});

describe("contradictions", () => {
  it("--json and --quiet", async () => {
    const { exitCode, stdout } = await launch("swarm", ["pull", "a/b", "--json", "--quiet"], env).finished;
    assert.equal(exitCode, 2);
    assert.match(String(jsonLines(stdout)[0]?.message), /'--quiet' cannot be used with option '--json'/);
  });
});

describe("what was asked for", () => {
  for (const line of [
    "swarm --help",
    "swarm help pull",
    "swarm pull --help",
    "swarmd start --help",
    "swarm --version",
  ]) {
    it(`${line} is on stdout, exit code 0`, async () => {
      const [binary, ...args] = line.split(" ");
      const { exitCode, stdout, stderr } = await launch(binary as "swarm" | "swarmd", args, env).finished;
      assert.deepEqual([exitCode, stderr], [0, ""]);
      assert.match(stdout, /Usage|0\.1\.0/);
    });
  }

  it("the help of pull has its groups and examples", async () => {
    const { stdout } = await launch("swarm", ["pull", "--help"], env).finished;
    for (const heading of ["What:", "Where:", "How:", "Output:", "Examples:"])
      assert.match(stdout, new RegExp(`^${heading}`, "m"));
  });
});
