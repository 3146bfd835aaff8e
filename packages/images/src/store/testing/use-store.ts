// A process, as another user where one is given, that tries all that can be done to a store and says how that went.

import { KelpieError, realPlatform } from "@kelpie/platform";
import { ImageStore } from "../image-store.ts";

const [home = "", user] = process.argv.slice(2);
if (user !== undefined) {
  process.setgroups?.([]);
  process.setgid?.(Number(user));
  process.setuid?.(Number(user));
}
const store = new ImageStore(realPlatform, home);

async function attempt(doing: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
    console.log(`${doing} went well`);
  } catch (error) {
    console.log(`${KelpieError.is(error) ? error.code : String(error)} on ${doing}`);
  }
}

const { images } = await store.list();
console.log(`listed ${images.length}`);
const [image] = images;
if (image !== undefined) {
  await store.verifyOnUse(image);
  await using _lease = await store.lease(image, { holder: "a reader" });
  console.log("used");
  await attempt(
    "adding",
    store.add(() => Promise.reject(new KelpieError("internal", "must not be reached"))),
  );
  await attempt("removing", store.remove(image));
}
