// kelpie images plan

import { join } from "node:path";
import { type ImagePlan, planImage, planSha256, planText } from "@kelpie/images";
import type { ResolvedPackage } from "@kelpie/repositories";
import { architectureOf } from "../architecture.ts";
import { buildOptions } from "../build.ts";
import type { ImagesPlanJson } from "../json/images-plan.ts";
import { archOption } from "../choose-image.ts";
import { command } from "../command.ts";
import { lockChoice, lockOptions, sourceOptions } from "../lock-options.ts";
import { Phases } from "../output/phases.ts";
import { formatSize } from "../output/size.ts";
import { formatTable } from "../output/table.ts";

export const imagesPlan = command({
  options: {
    spec: sourceOptions.spec,
    arch: archOption,
    version: {
      type: "string",
      value: "VERSION",
      help: "MAJOR.MINOR.PATCH[-PRERELEASE] [default: the spec's]",
    },
    ...lockOptions,
    offline: sourceOptions.offline,
  },
  json: () => import("../json/images-plan.ts"),
  details: "Downloads indexes but no packages, and puts nothing into the store.",
  async run(context, { options, json }) {
    const { platform, terminal, installation } = context;
    const request = {
      spec: options.spec ?? join(installation.images, "kelpie-base.yaml"),
      architecture: architectureOf(context, options.arch),
      version: options.version,
      offline: options.offline,
      lock: lockChoice(options),
    };
    const plan = await planImage(await buildOptions(context, new Phases(terminal, platform.clock), request));
    terminal.stdout.write(json ? planText(plan satisfies ImagesPlanJson) : describePlan(plan));
    return 0;
  },
});

function describePlan(plan: ImagePlan): string {
  const { architecture, base, kernel, guest, hostFiles, identity, packages, settings } = plan;
  const packaged = kernel.source === "path" ? packages : [...packages, kernel.package];
  const totalBytes = packaged.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const facts: readonly (readonly [string, string])[] = [
    ["image", `${settings.name} ${identity.version} for ${architecture}`],
    ...(base === undefined ? [] : [["base", `${base.location}  sha512:${base.sha512}`] as const]),
    [
      "kernel",
      kernel.source === "path"
        ? `${kernel.files.length} files of this machine`
        : `${kernel.package.name} ${kernel.package.version}`,
    ],
    ["init", guest.init],
    ["agent", guest.agent],
    ["host files", `${hostFiles.length}`],
    ["packages", `${packaged.length}, ${formatSize(totalBytes)}`],
    ["plan", `sha256:${planSha256(plan)}`],
  ];
  const head = facts.map(([name, value]) => `${name.padEnd(10)}  ${value}\n`).join("");
  if (packaged.length === 0) return head;
  return `${head}\n${formatTable(["PACKAGE", "VERSION", "SIZE", "LICENCE"], packaged.map(row))}`;
}

function row({ name, version, sizeBytes, license = "" }: ResolvedPackage): readonly string[] {
  return [name, version, formatSize(sizeBytes), license];
}
