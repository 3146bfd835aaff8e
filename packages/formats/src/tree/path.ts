// Paths inside a tree: relative to its root, with "/" between components, never "." or "..".

import { KelpieError } from "@kelpie/platform";

const maxComponentBytes = 255;
const maxPathBytes = 4095;

/**
 * Brings an archive's or a person's path to the tree's form: no leading "/" or "./", no trailing "/", no empty or "."
 * component. The root is "".
 *
 * @throws KelpieError `unsafe-path` for "..", a NUL, or a path or component that is too long.
 */
export function normalizePath(path: string): string {
  const components = path.split("/").filter((component) => component !== "" && component !== ".");
  for (const component of components) {
    if (component === "..") throw unsafe(path, 'a path without ".."');
    if (component.includes("\0")) throw unsafe(path, "a path without NUL");
    if (isLonger(component, maxComponentBytes))
      throw unsafe(path, `components of at most ${maxComponentBytes} bytes`);
  }
  const normalized = components.join("/");
  if (isLonger(normalized, maxPathBytes)) throw unsafe(path, `at most ${maxPathBytes} bytes`);
  return normalized;
}

/** The directory that holds `path`; "" for an entry of the root. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** The last component of `path`. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether UTF-8 takes more than `maxBytes`; a UTF-16 unit is at most three bytes, so short text needs no count. */
function isLonger(text: string, maxBytes: number): boolean {
  return text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes;
}

function unsafe(path: string, expected: string): KelpieError {
  return new KelpieError("unsafe-path", "A path in a file tree is not acceptable", {
    expected,
    found: JSON.stringify(path.slice(0, 200)),
  });
}
