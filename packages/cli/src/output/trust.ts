// What is said of signatures.

import type { TrustVerdict } from "@kelpie/images";

/** By what something was let in, for the end of a line. */
export function describeTrust(verdict: TrustVerdict | undefined): string {
  switch (verdict?.kind) {
    case undefined:
      return "";
    case "no-policy":
      return ", signatures not looked at: there is no trust policy";
    case "unsigned-allowed":
      return `, signatures not asked for by ${verdict.rule}`;
    case "signed":
      return `, signed by ${verdict.by}`;
    default:
      return verdict satisfies never;
  }
}

/** Keeps the last verdict until a line has room for it. */
export function trustNote(): { onTrust: (verdict: TrustVerdict) => void; text: () => string } {
  let last: TrustVerdict | undefined;
  return {
    onTrust: (verdict) => {
      last = verdict;
    },
    text: () => describeTrust(last),
  };
}
