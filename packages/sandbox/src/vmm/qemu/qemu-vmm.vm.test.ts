// QEMU against the suite that every monitor passes, with guests of both architectures.

import { architectures, realPlatform } from "@kelpie/platform";
import { findTestImage } from "../../testing/test-image.ts";
import { vmmSubject } from "../../testing/vmm-compliance/subject.ts";
import { describeVmm } from "../../testing/vmm-compliance/suite.ts";
import { openQemu } from "./qemu-vmm.ts";

for (const architecture of architectures) {
  const found = await findTestImage(architecture);
  const open = async (): ReturnType<typeof vmmSubject> => {
    if ("skip" in found) throw new TypeError(found.skip);
    await using home = await realPlatform.files.temporaryDirectory("kelpie-home-");
    const signal = AbortSignal.timeout(60_000);
    const vmm = await openQemu(realPlatform, { architecture, home: home.path, signal });
    return await vmmSubject(vmm, found.image);
  };
  describeVmm(`QEMU for ${architecture}`, open, "skip" in found ? found.skip : false);
}
