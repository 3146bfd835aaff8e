// Package URLs: names of packages that scanners understand (the purl specification, types apk, deb and cargo).

/** Builds a package URL. Qualifiers that are undefined are left out. */
export function packageUrl(parts: {
  readonly type: "apk" | "deb" | "cargo";
  readonly namespace?: string;
  readonly name: string;
  readonly version: string;
  readonly qualifiers?: Readonly<Record<string, string | undefined>>;
}): string {
  const { type, namespace, name, version, qualifiers = {} } = parts;
  const path = [type, ...(namespace === undefined ? [] : [encode(namespace)]), encode(name)].join("/");
  const query = Object.entries(qualifiers)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${encode(value)}`]))
    .sort()
    .join("&");
  return `pkg:${path}@${encode(version)}${query === "" ? "" : `?${query}`}`;
}

/** Everything but letters, digits and `.-_~:` is escaped; the colon stays as it is in all parts. */
function encode(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%3A", ":");
}
