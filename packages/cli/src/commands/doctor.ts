// kelpie doctor

import { command } from "../command.ts";
import type { DoctorJson } from "../json/doctor.ts";
import { printJson } from "../output/json.ts";
import { examineHome, examineImages } from "../doctor/examine-home.ts";
import { examineMonitors } from "../doctor/examine-monitors.ts";
import {
  examineAcceleration,
  examineDevices,
  examineEmulators,
  examineHost,
} from "../doctor/examine-machine.ts";
import { examineAlpine, examineDebian, examineLogins } from "../doctor/examine-sources.ts";
import { formatFindings } from "../doctor/finding.ts";

export const doctor = command({
  withoutHome: true,
  options: {
    network: { type: "boolean", help: "Ask Alpine's mirror whether it answers, too" },
  },
  json: () => import("../json/doctor.ts"),
  details:
    "Exits with 0 where sandboxes can run, and with 1 where something that they need is broken or missing.",
  async run({ platform, terminal, home, signal }, { options, json }) {
    const ofHome = await examineHome(platform, home);
    const hasHome = ofHome.every(({ verdict }) => verdict !== "broken");
    const findings = [
      examineHost(platform),
      ...(await examineEmulators(platform)),
      ...ofHome,
      // What is found out of them is kept.
      ...(hasHome ? await examineAcceleration(platform, home, signal) : []),
      ...(hasHome ? await examineMonitors(platform, home, signal) : []),
      ...(await examineDevices(platform)),
      ...(hasHome ? await examineImages(platform, home) : []),
      await examineDebian(platform),
      ...(options.network === true ? [await examineAlpine(platform, signal)] : []),
      await examineLogins(platform),
    ];
    if (json) printJson<DoctorJson>(terminal, { findings });
    else terminal.stdout.write(formatFindings(findings));
    return findings.some(({ verdict }) => verdict === "broken") ? 1 : 0;
  },
});
