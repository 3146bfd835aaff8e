// WWW-Authenticate (RFC 9110, section 11.6.1), as far as registries use it: what a registry wants to see of us.

/** A way in that a registry offers. */
export type Challenge =
  | { readonly kind: "basic" }
  | {
      readonly kind: "bearer";
      /** Where tokens are given. */
      readonly realm: string;
      readonly service: string | undefined;
      /** What the token must allow, words separated by spaces. */
      readonly scope: string | undefined;
    };

const maxHeaderLength = 8192;

/** The first challenge that we can answer; bearer before basic. Undefined where there is none. */
export function parseChallenge(header: string): Challenge | undefined {
  if (header.length > maxHeaderLength) return undefined;
  const schemes = parseSchemes(header);
  const bearer = schemes.find(({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm"));
  if (bearer !== undefined) {
    const { parameters } = bearer;
    return {
      kind: "bearer",
      realm: parameters.get("realm") ?? "",
      service: parameters.get("service"),
      scope: parameters.get("scope"),
    };
  }
  return schemes.some(({ scheme }) => scheme === "basic") ? { kind: "basic" } : undefined;
}

interface Scheme {
  readonly scheme: string;
  readonly parameters: Map<string, string>;
}

/** A name that "=" follows is a parameter of the scheme before it; any other name is a new scheme. */
function parseSchemes(header: string): Scheme[] {
  const schemes: Scheme[] = [];
  const item = /\s*,?\s*([!#$%&'*+.^_`|~0-9a-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/giy;
  for (let match = item.exec(header); match !== null; match = item.exec(header)) {
    const [, name = "", quoted, plain] = match;
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    if (value === undefined) schemes.push({ scheme: name.toLowerCase(), parameters: new Map() });
    else schemes.at(-1)?.parameters.set(name.toLowerCase(), value);
  }
  return schemes;
}
