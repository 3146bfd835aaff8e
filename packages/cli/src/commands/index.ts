// All commands, in the order in which help lists them.

import type { Command } from "../command.ts";
import { imagesList } from "./images-list.ts";

export const commands: readonly Command[] = [imagesList];
