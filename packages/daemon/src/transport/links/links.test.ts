import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { NetworkInterfaceInfo } from "node:os";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { LaneAddress, LinkClass } from "@swarmd/protocol/wire";
import { InterfaceWatch } from "./interface-watch.js";
import { readInterfaces } from "./interfaces.js";
import { kindByName, type LocalInterface, parseLinkOverride } from "./link-class.js";
import { linuxKind } from "./linux-links.js";
import { macosKind, parseHardwarePorts, parseRdmaDevices } from "./macos-links.js";
import { planRoutes, sharesSubnet, sortHosts } from "./routes.js";

/** Entries of /sys/class/net: files with their text, `driver` as the link that it is there, `dir/` as a folder. */
interface Sys {
  readonly id: string;
  readonly name: string;
  readonly entries: Readonly<Record<string, string>>;
  readonly driver?: string;
  readonly class: LinkClass;
  readonly speedBytesPerS: number;
}

const SYS: readonly Sys[] = [
  {
    id: "a 10 Gbit/s card",
    name: "enp1s0",
    entries: { type: "1", speed: "10000" },
    driver: "ixgbe",
    class: "ethernet",
    speedBytesPerS: 1.25e9,
  },
  {
    id: "a card without a cable",
    name: "enp2s0",
    entries: { type: "1", speed: "-1" },
    driver: "igc",
    class: "ethernet",
    speedBytesPerS: 0,
  },
  {
    id: "a Thunderbolt cable, by its driver",
    name: "enx0a1b2c3d4e5f",
    entries: { type: "1" },
    driver: "thunderbolt-net",
    class: "thunderbolt",
    speedBytesPerS: 1.25e9,
  },
  {
    id: "a Thunderbolt cable, by its name alone",
    name: "thunderbolt0",
    entries: { type: "1", speed: "20000" },
    class: "thunderbolt",
    speedBytesPerS: 2.5e9,
  },
  {
    id: "IP over InfiniBand",
    name: "ibp65s0",
    entries: { type: "32", speed: "100000" },
    driver: "mlx5_core",
    class: "rdma",
    speedBytesPerS: 12.5e9,
  },
  {
    id: "an Ethernet card that does RDMA",
    name: "enp65s0np0",
    entries: { type: "1", speed: "100000", "device/infiniband/mlx5_0/": "" },
    driver: "mlx5_core",
    class: "rdma",
    speedBytesPerS: 12.5e9,
  },
  {
    id: "Wi-Fi",
    name: "wlp3s0",
    entries: { type: "1", "wireless/": "" },
    driver: "iwlwifi",
    class: "wifi",
    speedBytesPerS: 0,
  },
  {
    id: "Docker's bridge",
    name: "docker0",
    entries: { type: "1", speed: "10000", "bridge/": "", "brif/": "" },
    class: "routed",
    speedBytesPerS: 1.25e9,
  },
  {
    id: "a bridge without a real port",
    name: "mybridge",
    entries: { type: "1", "bridge/": "", "brif/": "" },
    class: "routed",
    speedBytesPerS: 0,
  },
  {
    id: "a bridge of a real card and a virtual machine",
    name: "lanbr",
    entries: { type: "1", "bridge/": "", "brif/enp1s0/": "", "brif/vnet0/": "" },
    class: "ethernet",
    speedBytesPerS: 1.25e9,
  },
  {
    id: "a tunnel with any name",
    name: "office",
    entries: { type: "65534", tun_flags: "0x1002" },
    class: "routed",
    speedBytesPerS: 0,
  },
  { id: "WireGuard", name: "wg0", entries: { type: "65534" }, class: "routed", speedBytesPerS: 0 },
  { id: "Tailscale", name: "tailscale0", entries: { type: "65534", speed: "-1" }, class: "routed", speedBytesPerS: 0 },
  { id: "what has nothing to say for itself", name: "eth0", entries: {}, class: "ethernet", speedBytesPerS: 0 },
];

const HARDWARE_PORTS = `
Hardware Port: Ethernet Adapter (en4)
Device: en4
Ethernet Address: 1a:2b:3c:4d:5e:6f

Hardware Port: Thunderbolt Bridge
Device: bridge0
Ethernet Address: 36:00:00:00:00:00

Hardware Port: Wi-Fi
Device: en0
Ethernet Address: a0:00:00:00:00:01

Hardware Port: Thunderbolt 1
Device: en1
Ethernet Address: 36:00:00:00:00:04

Hardware Port: Thunderbolt Ethernet Slot 0
Device: en7
Ethernet Address: 00:00:00:00:00:07

VLAN Configurations
===================
`;

const IBV_DEVICES = `    device          	   node GUID
    ------          	----------------
    rdma_en1        	36000000000004aa
    rdma_en2        	36000000000005aa
`;

describe("link classes on Linux", () => {
  let root: string;

  before(() => {
    root = mkdtempSync(join(tmpdir(), "swarmd-sys-"));
    for (const { name, entries, driver } of SYS) {
      mkdirSync(join(root, name), { recursive: true });
      for (const [path, text] of Object.entries(entries)) {
        const at = join(root, name, path);
        mkdirSync(path.endsWith("/") ? at : dirname(at), { recursive: true });
        if (!path.endsWith("/")) writeFileSync(at, `${text}\n`);
      }
      if (driver === undefined) continue;
      mkdirSync(join(root, name, "device"), { recursive: true });
      symlinkSync(`../../../bus/drivers/${driver}`, join(root, name, "device", "driver"));
    }
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  for (const { id, name, class: expected, speedBytesPerS } of SYS) {
    it(`${id} is ${expected}`, () => {
      const kind = linuxKind(name, root);
      assert.deepEqual([kind.class, kind.speedBytesPerS], [expected, speedBytesPerS], kind.why);
    });
  }

  it("are read for every interface with an address, and overruled by --link", async () => {
    const entry = (address: string, internal = false): NetworkInterfaceInfo =>
      ({
        address,
        netmask: "",
        family: address.includes(":") ? "IPv6" : "IPv4",
        mac: "",
        internal,
        cidr: `${address}/24`,
        ...(address.includes(":") ? { scopeid: 0 } : {}),
      }) as NetworkInterfaceInfo;
    const interfaces = await readInterfaces({
      overrides: new Map([["eth0", "rdma"]]),
      platform: "linux",
      sysClassNet: root,
      list: () => ({
        lo: [entry("127.0.0.1", true)],
        enp1s0: [entry("10.0.0.5"), entry("fe80::1")],
        eth0: [entry("10.1.0.5")],
        wg0: [entry("fe80::2")],
      }),
    });
    assert.deepEqual(
      interfaces.map(({ name, class: linkClass, addresses }) => [name, linkClass, addresses]),
      [
        ["enp1s0", "ethernet", [{ host: "10.0.0.5", prefixBits: 24 }]],
        ["eth0", "rdma", [{ host: "10.1.0.5", prefixBits: 24 }]],
      ],
    );
  });
});

describe("link classes on macOS", () => {
  const ports = parseHardwarePorts(HARDWARE_PORTS);
  const rdma = parseRdmaDevices(IBV_DEVICES);
  for (const [name, expected] of [
    ["en0", "wifi"],
    ["en4", "ethernet"],
    ["en7", "ethernet"],
    ["bridge0", "thunderbolt"],
    ["en1", "rdma"],
    ["en2", "rdma"],
    ["utun3", "routed"],
    ["awdl0", "routed"],
    ["bridge100", "routed"],
    ["en9", "ethernet"],
  ] as const) {
    it(`${name} is ${expected}`, () => assert.equal(macosKind(name, ports, rdma).class, expected));
  }

  it("survives text that is something else", () => {
    assert.equal(parseHardwarePorts("sh: networksetup: command not found").size, 0);
    assert.equal(parseRdmaDevices("").size, 0);
  });
});

describe("--link", () => {
  it("takes an interface and a class", () =>
    assert.deepEqual(parseLinkOverride(" en5 = Thunderbolt"), ["en5", "thunderbolt"]));
  for (const text of ["", "en5", "en5=fast", "=wifi", "en5="]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseLinkOverride(text), { code: "USAGE", hint: /IFACE=CLASS/ });
    });
  }
});

describe("routes", () => {
  const local = (
    name: string,
    linkClass: LinkClass,
    host: string,
    prefixBits = 24,
    speedBytesPerS = 0,
  ): LocalInterface => ({
    name,
    class: linkClass,
    speedBytesPerS,
    why: "test",
    addresses: [{ host, prefixBits }],
  });
  const remote = (host: string, linkClass: LinkClass, speedBytesPerS = 0): LaneAddress => {
    return { host, port: 7481, class: linkClass, speedBytesPerS, prefixBits: 24 };
  };
  const OURS = [
    local("wlan0", "wifi", "192.168.1.5"),
    local("eth0", "ethernet", "10.0.0.5", 24, 125e6),
    local("tb0", "thunderbolt", "169.254.7.5", 16),
    local("eth1", "ethernet", "fd00::5", 64, 1.25e9),
  ];
  const cases: readonly { id: string; theirs: readonly LaneAddress[]; expected: readonly string[] }[] = [
    {
      id: "the best class goes first, addresses in none of our subnets last",
      theirs: [
        remote("172.17.0.1", "ethernet"),
        remote("192.168.1.9", "wifi"),
        remote("10.0.0.9", "ethernet"),
        remote("169.254.8.1", "thunderbolt"),
      ],
      expected: [
        "169.254.8.1:7481 thunderbolt",
        "10.0.0.9:7481 ethernet",
        "192.168.1.9:7481 wifi",
        "172.17.0.1:7481 routed",
      ],
    },
    {
      id: "a link is as good as its worse end",
      theirs: [remote("10.0.0.9", "wifi")],
      expected: ["10.0.0.9:7481 wifi"],
    },
    {
      id: "among equals, the faster goes first",
      theirs: [remote("10.0.0.9", "ethernet", 125e6), remote("fd00::9", "ethernet", 1.25e9)],
      expected: ["[fd00::9]:7481 ethernet", "10.0.0.9:7481 ethernet"],
    },
    { id: "there may be none", theirs: [], expected: [] },
  ];
  for (const { id, theirs, expected } of cases) {
    it(id, () => {
      assert.deepEqual(
        planRoutes(OURS, theirs).map((route) => `${route.link} ${route.class}`),
        expected,
      );
    });
  }

  it("dials near hosts first", () => {
    assert.deepEqual(sortHosts(OURS, ["8.8.8.8", "192.168.1.9", "169.254.1.1"]), [
      "169.254.1.1",
      "192.168.1.9",
      "8.8.8.8",
    ]);
  });

  it("compares addresses of a kind only", () => {
    assert.equal(sharesSubnet("10.0.0.1", "fd00::1", 8), false);
    assert.equal(sharesSubnet("fd00::1", "fd00::ffff", 64), true);
    assert.equal(sharesSubnet("10.0.0.1", "10.0.0.2", 0), false);
    assert.equal(sharesSubnet("10.0.0.1", "nonsense", 8), false);
  });
});

describe("names of interfaces", () => {
  it("tell of tunnels", () => {
    for (const name of ["tun0", "wg1", "docker0", "veth12ab", "br-1234", "zt7nnig26", "utun4", "virbr0"]) {
      assert.equal(kindByName(name).class, "routed", name);
    }
  });
});

describe("the interface watch", () => {
  it("tells of a change once, and of nothing when nothing changed", async () => {
    let now: readonly LocalInterface[] = [];
    const changes: string[] = [];
    const watch = new InterfaceWatch(
      { pollMs: 3_600_000 },
      {
        peek: () => JSON.stringify(now),
        read: async () => now,
        onChange: async (after, before) => void changes.push(`${before.length}->${after.length}`),
        onFailure: (error) => assert.fail(error as Error),
      },
    );
    await watch.start();
    await watch.look();
    now = [{ name: "eth0", class: "ethernet", speedBytesPerS: 0, why: "", addresses: [] }];
    await watch.look();
    await watch.look();
    watch.stop();
    assert.deepEqual(changes, ["0->1"]);
    assert.equal(watch.interfaces.length, 1);
  });
});
