// kelpie sandbox pause

import { pauseSandbox } from "@kelpie/sandbox";
import { sandboxAction } from "../sandbox-reference.ts";

export const sandboxPause = sandboxAction("pause", pauseSandbox, {
  details: "Its processors stand still and take no time of this machine's; its memory stays.",
});
