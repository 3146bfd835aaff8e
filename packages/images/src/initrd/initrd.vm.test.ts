// Boots the initrd and PID 1 with Debian's kernel under emulation, with a shell script in the agent's place.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { before, suite, test } from "node:test";
import { writeExt4 } from "@kelpie/formats";
import { type Architecture, architectures, realPlatform } from "@kelpie/platform";
import {
  type Boot,
  boot as bootDisk,
  bytesOf,
  guestTree,
  machines,
  type Parts,
  prepare,
} from "./testing/pid1-vm.ts";

const platform = realPlatform;
const diskBytes = 96 << 20;

/** What a boot is like beyond its files. */
interface Circumstances {
  readonly words?: string;
  readonly killAt?: RegExp;
  /** Looks at the disk once the VM has ended. */
  readonly judge?: (disk: string) => void;
}

/** Boots a root file system with `files`, by their paths, until the VM ends by itself. */
async function boot(
  architecture: Architecture,
  parts: Parts,
  files: Readonly<Record<string, string>>,
  { words = "", killAt, judge }: Circumstances = {},
): Promise<Boot> {
  await using directory = await platform.files.temporaryDirectory("kelpie-boot-");
  const disk = join(directory.path, "disk");
  const tree = await guestTree(parts, files);
  const seed = createHash("sha256").update("test").digest();
  const options = { label: "kelpie-root", seed, timestampSeconds: 0, freeBytes: 8 << 20 };
  {
    await using handle = await platform.files.open(disk, "create");
    await handle.write(await bytesOf((sink) => writeExt4(tree, sink, options)), 0);
  }
  truncateSync(disk, diskBytes);
  const request = { architecture, parts, disk, words };
  const ended = await bootDisk(killAt === undefined ? request : { ...request, killAt });
  judge?.(disk);
  return ended;
}

/** What a program says; it must end well. */
function told(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assert.equal(status, 0, `${program}: ${stdout}${stderr}`);
  return stdout;
}

const hasE2fsprogs = ["e2fsck", "debugfs"].every((name) => spawnSync(name, ["-V"]).error === undefined);

/** Whether an ELF file of 64 bits has a table of symbols. */
function hasSymbols(bytes: Buffer): boolean {
  const [at, size, count] = [
    Number(bytes.readBigUInt64LE(40)),
    bytes.readUInt16LE(58),
    bytes.readUInt16LE(60),
  ];
  const symbolTable = 2;
  return Array.from({ length: count }, (_, i) => bytes.readUInt32LE(at + i * size + 4)).includes(symbolTable);
}

const agent = "usr/local/bin/kelpie-guest";
const wellBehaved = `#!/bin/sh
echo "kelpie: agent ready" >&2
sleep 0.5
echo "hostname=$(hostname)"
echo "mask=$(grep SigBlk /proc/self/status)"
echo "loopback=$(ip addr show lo | grep -c 'inet 127.0.0.1/8')"
echo "machine-id=$(grep -cE '^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$' /etc/machine-id)"
echo "blocks=$(df -m / | grep -o '/dev/vda *[0-9]*')"
echo "overlay=$(grep -c overlay /proc/filesystems)"
echo "log=$(grep -c 'kelpie: agent ready' /var/log/kelpie-guest.log)"
echo "services=$(cat /run/services)"
echo "children=$(ls -d /proc/[0-9]* | wc -l) zombies=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l)"
(sleep 0.1 &)
sleep 0.3
echo "zombies after an orphan=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l)"
while read -r line; do echo "mount $line"; done < /proc/self/mounts
while read -r line; do echo "trace $line"; done < /run/kelpie/boot-trace
trap 'echo "last words"; exit 0' TERM
kill -USR2 1
while :; do sleep 0.05; done
`;

for (const architecture of architectures) {
  const { program } = machines[architecture];
  const missing = spawnSync(program, ["--version"]).error !== undefined;
  const skip = missing ? `${program} is not installed` : false;
  suite(`PID 1 on ${architecture}`, { skip }, () => {
    let parts: Parts;
    /** Waits for most of its time, so that it does beside the others. */
    let withoutRoot: Promise<Boot>;
    before(async () => {
      parts = await prepare(architecture);
      withoutRoot = boot(architecture, parts, {}, { words: "root=LABEL=elsewhere" });
      // Whoever awaits it is told.
      withoutRoot.catch(() => undefined);
    });

    test("and the agent are small programs without symbols", async () => {
      for (const [program, mostBytes] of [
        [parts.init, 1_200_000],
        [parts.agent, 5_000_000],
      ] as const) {
        const bytes = Buffer.from(await platform.files.readFile(program, 1 << 24));
        assert.ok(bytes.length > 100_000 && bytes.length <= mostBytes, `${program}: ${bytes.length} bytes`);
        assert.ok(!hasSymbols(bytes), program);
      }
    });

    test("boots to the agent, readies the machine, and powers off when asked", async () => {
      const { console, code } = await boot(
        architecture,
        parts,
        {
          [agent]: wellBehaved,
          "etc/fstab": "tmpfs /scratch tmpfs size=1m,noexec 0 0\nnone /never tmpfs noauto 0 0\n",
          "etc/kelpie/init.d/10-first": '#!/bin/sh\nsleep 0.1\necho -n "first:$1 " >> /run/services\n',
          "etc/kelpie/init.d/20-second": '#!/bin/sh\necho -n "second:$1" >> /run/services\n',
          "etc/kelpie/init.d/30-text": "not executable\n",
        },
        { words: "kelpie.hostname=box-1" },
      );
      assert.equal(code, 0, console);
      const stages = [...console.matchAll(/^kelpie: (?:init \w+|agent ready)$/gm)].map(([line]) => line);
      assert.deepEqual(
        stages,
        [
          ...["initrd", "modules", "root", "switch", "mounts"].map((stage) => `kelpie: init ${stage}`),
          ...["kelpie: init agent", "kelpie: agent ready", "kelpie: init poweroff"],
        ],
        console,
      );
      assert.doesNotMatch(console, /kelpie: error/);
      for (const fact of [
        "hostname=box-1",
        "mask=SigBlk:\t0000000000000000",
        "loopback=1",
        "machine-id=1",
        "overlay=1",
        "log=1",
        "services=first:start second:start",
        "zombies after an orphan=0",
        "last words",
      ])
        assert.ok(
          console.split("\n").some((line) => line.trim() === fact),
          `${fact} in:\n${console}`,
        );
      const size = Number(/^blocks=\/dev\/vda *(\d+)/m.exec(console)?.[1]);
      assert.ok(size > 75, `the root has grown with its disk: ${size} MiB`);
      for (const mount of [
        "proc /proc proc rw,nosuid,nodev,noexec",
        "sysfs /sys sysfs rw,nosuid,nodev,noexec",
        "devtmpfs /dev devtmpfs rw,nosuid",
        "devpts /dev/pts devpts rw,nosuid,noexec",
        "tmpfs /dev/shm tmpfs rw,nosuid,nodev",
        "tmpfs /tmp tmpfs rw,nosuid,nodev",
        "tmpfs /run tmpfs rw,nosuid,nodev",
        "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec",
        "tmpfs /scratch tmpfs rw,noexec",
        "/dev/vda / ext4 rw",
      ])
        assert.ok(console.includes(`mount ${mount}`), `${mount} in:\n${console}`);
      assert.ok(!console.includes("/never"));
      const trace = [...console.matchAll(/^trace (\d+\.\d{6}) (.+)$/gm)];
      assert.deepEqual(
        trace.map(([, , step]) => step),
        ["initrd", "modules", "root", "switch", "mounts", "agent", "agent ready"],
      );
      const times = trace.map(([, seconds]) => Number(seconds));
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
    });

    test("an agent that dies is started again, later each time, and told so", async () => {
      const script = `#!/bin/sh
echo "start $KELPIE_AGENT_RESTARTS"
case $KELPIE_AGENT_RESTARTS in 0) exit 3 ;; 1) kill -KILL $$ ;; esac
kill -INT 1
sleep 60
`;
      const { console, code } = await boot(architecture, parts, { [agent]: script });
      assert.equal(code, 0, console);
      const lines = console.split("\n").filter((line) => /^start|error|init reboot/.test(line));
      assert.deepEqual(
        lines,
        [
          "start 0",
          "kelpie: error agent: exited with code 3, next start in 100 ms",
          "start 1",
          "kelpie: error agent: ended by signal 9, next start in 200 ms",
          "start 2",
          "kelpie: init reboot",
        ],
        console,
      );
    });

    for (const [what, files, words, line] of [
      [
        "no agent",
        {},
        "",
        /^kelpie: error agent \/usr\/local\/bin\/kelpie-guest: No such file or directory/m,
      ],
      [
        "no init on the root",
        { "sbin/init": "#!/nowhere\n" },
        "",
        /^kelpie: error exec \/sbin\/init: No such file or directory/m,
      ],
    ] as const) {
      test(`a VM with ${what} says so and ends`, async () => {
        const { console, code } = await boot(architecture, parts, files, { words });
        assert.equal(code, 0, console);
        assert.match(console, line);
      });
    }

    test("asks every process to end, insists after a grace, and leaves a clean disk", async () => {
      const script = `#!/bin/sh
echo "ctrl-alt-del $(cat /proc/sys/kernel/ctrl-alt-del)"
echo precious > /precious
(trap '' TERM; while :; do echo stubborn; sleep 0.5; done) &
trap 'echo "asked"; exit 0' TERM
sleep 0.3
kill -TERM 1
while :; do sleep 0.05; done
`;
      const judge = (disk: string): void => {
        if (!hasE2fsprogs) return;
        assert.doesNotMatch(told("debugfs", "-R", "stats -h", disk), /needs_recovery/);
        told("e2fsck", "-f", "-n", disk);
        assert.equal(told("debugfs", "-R", "cat /precious", disk), "precious\n");
      };
      const { console, code } = await boot(architecture, parts, { [agent]: script }, { judge });
      assert.equal(code, 0, console);
      // 0: the kernel tells PID 1, by SIGINT, rather than to reboot on the spot.
      assert.match(console, /^ctrl-alt-del 0$/m);
      const [, afterwards = ""] = console.split("kelpie: init poweroff\n");
      assert.match(afterwards, /^asked$/m);
      const left = afterwards.match(/^stubborn$/gm)?.length ?? 0;
      assert.ok(left >= 4 && left <= 8, `${left} half seconds of grace:\n${console}`);
      assert.doesNotMatch(afterwards, /kelpie: error/);
    });

    test("names each mount, swap and service that fails and why, goes on, and ends at a power failure", async () => {
      const files = {
        [agent]:
          "#!/bin/sh\necho 'kelpie: agent ready' >&2\nsleep 1\ncat /proc/self/mounts /run/after\nkill -PWR 1\nsleep 60\n",
        "etc/fstab":
          "none /bad nosuchfs defaults 0 0\nnone /quiet nosuchfs nofail 0 0\nLABEL=absent /data ext4 noatime 0 0\n" +
          "/dev/vdz none swap sw 0 0\ntmpfs /my\\040scratch tmpfs nodev,mode=0700 0 0\nLABEL=kelpie-root /again ext4 noatime 0 0\n",
        "etc/kelpie/init.d/10-bad": "#!/bin/sh\nexit 3\n",
        "etc/kelpie/init.d/20-killed": "#!/bin/sh\nkill -KILL $$\n",
        "etc/kelpie/init.d/30-absent": "#!/no/such/shell\n",
        "etc/kelpie/init.d/40-good": "#!/bin/sh\necho after all >> /run/after\n",
      };
      const { console, code } = await boot(architecture, parts, files, { words: "root=/dev/vda" });
      assert.equal(code, 0, console);
      const errors = [...console.matchAll(/^kelpie: error (.*)$/gm)].map(([, what]) => what);
      assert.deepEqual(
        errors,
        [
          "mount /bad (nosuchfs): No such device (os error 19)",
          "mount /data: no device is labelled absent",
          "swap /dev/vdz: No such file or directory (os error 2)",
          "service /etc/kelpie/init.d/10-bad: exited with code 3",
          "service /etc/kelpie/init.d/20-killed: ended by signal 9",
          "service /etc/kelpie/init.d/30-absent: No such file or directory (os error 2)",
        ],
        console,
      );
      assert.match(console, /^after all$/m);
      assert.match(console, /^tmpfs \/my\\040scratch tmpfs rw,nodev,.*mode=700/m);
      assert.match(console, /^\/dev\/vda \/again ext4 rw/m);
      assert.match(console, /^kelpie: init poweroff$/m);
    });

    test("halts when it is asked to", async () => {
      const script = "#!/bin/sh\nkill -USR1 1\nsleep 60\n";
      const { console } = await boot(architecture, parts, { [agent]: script }, { killAt: /System halted/ });
      assert.match(console, /^kelpie: init halt$/m);
      assert.match(console, /System halted/);
    });

    test("a read-only root boots, and what cannot be written there is said", async () => {
      const script =
        '#!/bin/sh\necho "root $(grep -c "^/dev/vda / ext4 ro" /proc/self/mounts)"\nkill -USR2 1\nsleep 60\n';
      const places = Object.fromEntries(
        ["dev", "proc", "sys", "run", "tmp", "var/log"].map((directory) => [`${directory}/.keep`, ""]),
      );
      const { console, code } = await boot(
        architecture,
        parts,
        { ...places, [agent]: script },
        { words: "ro" },
      );
      assert.equal(code, 0, console);
      assert.match(console, /^root 1$/m);
      assert.match(console, /^kelpie: error \/etc\/machine-id: Read-only file system/m);
    });

    test("a VM with no root of that label waits for it, says so and ends", async () => {
      const { console, code } = await withoutRoot;
      assert.equal(code, 0, console);
      assert.match(console, /^kelpie: error root LABEL=elsewhere: did not appear, block devices: "vda"/m);
    });
  });
}
