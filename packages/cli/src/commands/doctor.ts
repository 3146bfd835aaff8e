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
  options: {
    network: { type: "boolean", help: "Ask Alpine's mirror whether it answers, too" },
  },
  json: () => import("../json/doctor.ts"),
  details:
    "Exits with 0 where sandboxes can run, and with 1 where something that they need is broken or missing.",
  async run({ platform, terminal, home, signal }, { options, json }) {
    const findings = [
      examineHost(platform),
      ...(await examineEmulators(platform)),
      ...(await examineHome(platform, home)),
      ...(await examineAcceleration(platform, home, signal)),
      ...(await examineMonitors(platform, home, signal)),
      ...(await examineDevices(platform)),
      ...(await examineImages(platform, home)),
      await examineDebian(platform),
      ...(options.network === true ? [await examineAlpine(platform, signal)] : []),
      await examineLogins(platform),
    ];
    if (json) printJson<DoctorJson>(terminal, { findings });
    else terminal.stdout.write(formatFindings(findings));
    return findings.some(({ verdict }) => verdict === "broken") ? 1 : 0;
  },
});
