// kelpie sandbox kill

import { killSandbox } from "@kelpie/sandbox";
import { sandboxAction } from "../sandbox-reference.ts";

export const sandboxKill = sandboxAction("kill", killSandbox, {
  details: "At once, as pulling the plug does. `kelpie sandbox stop` asks first.",
});
