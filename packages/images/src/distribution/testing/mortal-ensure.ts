// A process that makes sure of one image and, where it is told to, dies at one of the moments in which it touches a file.

import { writeSync } from "node:fs";
import { type Architecture, type FileHandle, type Files, realPlatform } from "@kelpie/platform";
import { ensureImage } from "../source/ensure-image.ts";

const [home = "", reference = "", architecture = "", moment = "0"] = process.argv.slice(2);

/** Before and behind each access is a moment; 0 is none of them. */
let left = Number(moment);

function pass(access: string, path: string): void {
  if (--left !== 0) return;
  writeSync(1, `${access} ${path.slice(home.length + 1)}\n`);
  process.kill(process.pid, "SIGKILL");
}

/** `target`, with `pass` called before and behind each of its methods that changes something. */
function mortal<T extends object>(
  target: T,
  changing: readonly (keyof T)[],
  pathOf: (first: unknown) => string,
): T {
  return new Proxy(target, {
    get: (object, name) => {
      const value: unknown = Reflect.get(object, name);
      if (typeof value !== "function") return value;
      const call = (...given: unknown[]): unknown => Reflect.apply(value, object, given);
      if (!changing.includes(name as keyof T)) return call;
      return async (...given: unknown[]): Promise<unknown> => {
        const path = pathOf(given[0]);
        pass(`before ${String(name)}`, path);
        const result = await call(...given);
        pass(`behind ${String(name)}`, path);
        return result;
      };
    },
  });
}

const named = mortal<Files>(
  realPlatform.files,
  [
    "rename",
    "hardLink",
    "remove",
    "makeDirectory",
    "makeNewDirectory",
    "setMode",
    "syncDirectory",
    "copyFile",
  ],
  String,
);
const files: Files = new Proxy(named, {
  get: (object, name) => {
    if (name !== "open") return Reflect.get(object, name) as unknown;
    return async (...given: Parameters<Files["open"]>): Promise<FileHandle> => {
      const handle = await object.open(...given);
      return given[1] === "read"
        ? handle
        : mortal<FileHandle>(handle, ["write", "truncate", "sync", "close"], () => given[0]);
    };
  },
});

await ensureImage({
  platform: { ...realPlatform, files },
  home,
  reference,
  architecture: architecture as Architecture,
});
if (left > 0) writeSync(1, `survived with ${left} left\n`);
