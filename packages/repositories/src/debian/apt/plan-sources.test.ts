// Which sources the private apt is given, for the hosts that people have.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { parseDeb822 } from "../deb822.ts";
import { parseListFile, parseSourcesFile } from "./host-sources.ts";
import { type HostRelease, planSources, type WantedSuites } from "./plan-sources.ts";

const wanted: WantedSuites = {
  release: "bookworm",
  suites: ["bookworm", "bookworm-updates", "bookworm-security"],
  components: ["main"],
};
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
const bookworm: HostRelease = {
  codename: "bookworm",
  keyrings: [keyring],
  configuredMirror: "http://configured.example/debian",
};
const trixie: HostRelease = { ...bookworm, codename: "trixie" };
const ubuntu: HostRelease = { ...bookworm, codename: undefined };

type Row = readonly [suite: string, uri: string, key: string | undefined];

function plan(hostSources: string, host: HostRelease, overrides: Partial<WantedSuites> = {}): Row[] {
  const sources = hostSources.includes("Types:")
    ? parseSourcesFile(hostSources, "x")
    : parseListFile(hostSources, "x");
  return parseDeb822(planSources({ ...wanted, ...overrides }, sources, host)).map((stanza) => {
    assert.equal(stanza.get("Types"), "deb");
    assert.equal(stanza.get("Components"), "main");
    assert.equal(stanza.get("Targets"), "Packages");
    return [stanza.get("Suites") ?? "", stanza.get("URIs") ?? "", stanza.get("Signed-By")];
  });
}

test("the host's own entries of the wanted release are taken, with their keys", () => {
  const sources = `# comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Architectures: amd64
Signed-By: /own.gpg

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
`;
  assert.deepEqual(plan(sources, bookworm), [
    ["bookworm", "http://mirror.example/debian", "/own.gpg"],
    ["bookworm-updates", "http://mirror.example/debian", "/own.gpg"],
    ["bookworm-security", "http://security.example/debian-security", undefined],
  ]);
});

test("entries of other suites and components, and those that are switched off, are not taken", () => {
  const sources = `deb http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/docker.gpg] https://docker.example/linux/debian bookworm stable
deb https://node.example/node_20.x nodistro main
# deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
`;
  assert.deepEqual(plan(sources, bookworm), [
    ["bookworm", "http://mirror.example/debian", undefined],
    ["bookworm-updates", "http://mirror.example/debian", undefined],
    ["bookworm-security", "http://mirror.example/debian-security", undefined],
  ]);
  const off = "Types: deb\nURIs: http://off.example\nSuites: bookworm\nComponents: main\nEnabled: no\n";
  assert.throws(
    () => plan(off, { ...bookworm, configuredMirror: undefined }),
    (error) => KelpieError.is(error) && error.code === "invalid-input",
  );
});

test("a third party that names its suite as Debian does is left to the check of its signed Origin", () => {
  const sources =
    "deb http://mirror.example/debian bookworm main\ndeb [signed-by=/h.gpg] https://third.example bookworm main\n";
  assert.deepEqual(plan(sources, bookworm, { suites: ["bookworm"] }), [
    ["bookworm", "http://mirror.example/debian", undefined],
    ["bookworm", "https://third.example", "/h.gpg"],
  ]);
});

test("another Debian's mirrors serve the wanted release, with Debian's own keys", () => {
  const sources = `deb [signed-by=/usr/share/keyrings/trixie-only.gpg] http://mirror.example/debian trixie main
deb http://mirror.example/debian trixie-updates main
deb http://mirror.example/security trixie-security main
`;
  assert.deepEqual(plan(sources, trixie), [
    ["bookworm", "http://mirror.example/debian", keyring],
    ["bookworm-updates", "http://mirror.example/debian", keyring],
    ["bookworm-security", "http://mirror.example/security", keyring],
  ]);
});

test("a host that is no Debian gets the mirror that a person configured", () => {
  const sources = "deb http://archive.ubuntu.example/ubuntu jammy main universe\n";
  assert.deepEqual(plan(sources, ubuntu), [
    ["bookworm", "http://configured.example/debian", keyring],
    ["bookworm-updates", "http://configured.example/debian", keyring],
    ["bookworm-security", "http://configured.example/debian-security", keyring],
  ]);
});

test("a mirror that a person names is taken before all", () => {
  const sources = "deb http://mirror.example/debian bookworm main\n";
  assert.deepEqual(
    plan(sources, bookworm, {
      mirror: "http://named.example/debian",
      securityMirror: "http://named.example/security",
    }).map(([, uri]) => uri),
    ["http://named.example/debian", "http://named.example/debian", "http://named.example/security"],
  );
});

test("options that would let apt take what it cannot verify are dropped, others are kept", () => {
  const line =
    "deb [trusted=yes allow-insecure=yes check-valid-until=no arch=amd64,arm64] http://snapshot.example bookworm main";
  const deb822 =
    "Types: deb\nURIs: http://snapshot.example\nSuites: bookworm\nComponents: main\nTrusted: yes\nAllow-Weak: yes\nCheck-Valid-Until: no\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n -----END PGP PUBLIC KEY BLOCK-----\n";
  assert.deepEqual(parseListFile(line, "x")[0]?.options, [{ name: "check-valid-until", value: "no" }]);
  assert.deepEqual(
    parseSourcesFile(deb822, "x")[0]?.options.map(({ name }) => name),
    ["Check-Valid-Until", "Signed-By"],
  );
  const text = planSources({ ...wanted, suites: ["bookworm"] }, parseSourcesFile(deb822, "x"), bookworm);
  assert.match(text, /\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n \.\n/);
});

test("a line that is no source is refused with its number", () => {
  assert.throws(() => parseListFile("deb http://x bookworm main\nsudo apt\n", "x.list"), {
    code: "malformed",
    where: "x.list, line 2",
  });
  assert.throws(() => parseListFile("deb http://x\n", "x"), { code: "malformed" });
});
