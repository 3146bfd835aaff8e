// kelpie sandbox resume

import { resumeSandbox } from "@kelpie/sandbox";
import { sandboxAction } from "../sandbox-reference.ts";

export const sandboxResume = sandboxAction("resume", resumeSandbox);
