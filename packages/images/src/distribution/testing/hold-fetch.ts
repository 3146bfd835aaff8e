// A process that fetches something, gets half through, and stays there until it is killed.

import { realPlatform } from "@kelpie/platform";
import { fetchOnce } from "../fetch-once.ts";

// Nothing else keeps us alive.
setInterval(() => undefined, 60_000);
const [lockPath = ""] = process.argv.slice(2);
await fetchOnce({ platform: realPlatform, lockPath, purpose: "fetching half" }, (report) => {
  report({ doneBytes: 50, totalBytes: 100, networkBytes: 35 });
  process.send?.("half");
  return new Promise(() => undefined);
});
