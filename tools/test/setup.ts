// Programs that the tests use as judges of what Kelpie makes, and how a machine without them gets them.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pythonJudges } from "../../packages/images/src/sbom/testing/python-judges.ts";
import { type Main, realPlatform, runMain } from "../../packages/platform/src/index.ts";
import { installMissing, missingRequirements } from "../../packages/cli/src/setup/install-missing.ts";
import { emulatorsFor, type Requirement } from "../../packages/cli/src/setup/requirement.ts";
import { vsockDaemonCrate, vsockDaemonDirectory } from "../../packages/sandbox/src/testing/vsock-daemon.ts";

const judges: Requirement[] = [
  {
    program: "e2fsck",
    why: "judges file systems",
    packages: { "apt-get": ["e2fsprogs"], dnf: ["e2fsprogs"] },
  },
  { program: "cpio", why: "judges initrds", packages: { "apt-get": ["cpio"], dnf: ["cpio"] } },
  { program: "ar", why: "judges archives", packages: { "apt-get": ["binutils"], dnf: ["binutils"] } },
  { program: "xz", why: "judges decompression", packages: { "apt-get": ["xz-utils"], dnf: ["xz"] } },
  { program: "zstd", why: "judges decompression", packages: { "apt-get": ["zstd"], dnf: ["zstd"] } },
  { program: "lz4", why: "judges decompression", packages: { "apt-get": ["lz4"], dnf: ["lz4"] } },
  {
    // Debian's python3-minimal has no library to speak of; this one comes with the whole.
    program: "pydoc3",
    why: "shows that Python is whole: it judges archives",
    packages: { "apt-get": ["python3"], dnf: ["python3"] },
  },
  {
    program: "pip3",
    why: "installs judges of bills of materials",
    packages: { "apt-get": ["python3-pip"], dnf: ["python3-pip"] },
  },
  { program: "openssl", why: "judges certificates", packages: { "apt-get": ["openssl"], dnf: ["openssl"] } },
  { program: "qemu-img", why: "judges disks", packages: { "apt-get": ["qemu-utils"], dnf: ["qemu-img"] } },
  {
    program: "gcc",
    why: "compiles libraries that tests play",
    packages: { "apt-get": ["gcc", "libc6-dev"], dnf: ["gcc", "glibc-devel"] },
  },
  { program: "ip", why: "judges networks", packages: { "apt-get": ["iproute2"], dnf: ["iproute"] } },
  { program: "skopeo", why: "judges what is pushed", packages: { "apt-get": ["skopeo"], dnf: ["skopeo"] } },
  { program: "umoci", why: "unpacks container images", packages: { "apt-get": ["umoci"], dnf: ["umoci"] } },
  { program: "runc", why: "runs container images", packages: { "apt-get": ["runc"], dnf: ["runc"] } },
  { program: "docker-registry", why: "is pushed to", packages: { "apt-get": ["docker-registry"] } },
  {
    program: "cargo",
    why: "checks the programs that run inside the VM",
    packages: {
      "apt-get": ["cargo-web", "rustfmt-web", "rust-web-clippy"],
      dnf: ["cargo", "rustfmt", "clippy"],
    },
  },
];

/** What Debian 12 has no package of. A judge that cannot be had leaves its tests skipped, with the reason. */
async function installPythonJudges(): Promise<void> {
  const list = join(import.meta.dirname, "../judges/requirements.txt");
  const target = pythonJudges();
  const wanted = readFileSync(list, "utf8");
  const installed = join(target, "requirements.txt");
  if (existsSync(installed) && readFileSync(installed, "utf8") === wanted) return;
  process.stderr.write("kelpie: installing judges of bills of materials with pip\n");
  const options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--upgrade", "--no-deps"];
  const { exit, stderr } = await realPlatform.processes.run("pip3", [
    "install",
    ...options,
    "--target",
    target,
    "--requirement",
    list,
  ]);
  if (exit.kind === "exited" && exit.code === 0) writeFileSync(installed, wanted);
  else process.stderr.write(`kelpie: pip has none of them: ${stderr.slice(-500)}\n`);
}

/** Compiles the daemon behind a vsock device: about a minute, once. Two set-ups at once do it twice, and do no harm. */
async function installVsockDaemon(): Promise<void> {
  const directory = vsockDaemonDirectory();
  if (existsSync(directory)) return;
  const { name, version } = vsockDaemonCrate;
  process.stderr.write(`kelpie: compiling ${name} ${version} with cargo\n`);
  mkdirSync(dirname(directory), { recursive: true });
  const staging = mkdtempSync(`${directory}.`);
  try {
    const root = join(staging, "root");
    const places = ["--root", root, "--target-dir", join(staging, "target")];
    const options = ["--quiet", "--locked", "--no-track", "--version", version];
    const { exit, stderr } = await realPlatform.processes.run("cargo", [
      "install",
      name,
      ...options,
      ...places,
    ]);
    if (exit.kind === "exited" && exit.code === 0) {
      if (!existsSync(directory)) renameSync(root, directory);
    } else process.stderr.write(`kelpie: it was not compiled: ${stderr.slice(-500)}\n`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

const setUp: Main = async (_, terminal, signal) => {
  const missing = await missingRequirements(realPlatform, [...emulatorsFor(["amd64", "arm64"]), ...judges]);
  if (missing.length > 0) await installMissing(realPlatform, terminal, missing, signal);
  await installPythonJudges();
  await installVsockDaemon();
  return 0;
};

await runMain(setUp);
