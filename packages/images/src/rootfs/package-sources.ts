// Where the guest's own package manager looks for packages: the repositories that the image was built from.

import type { ImageSpec } from "../spec/image-spec.ts";
import type { TreeEditor } from "./image-tree.ts";

/** Writes apk's or apt's list, where the image has that program and no list, and the spec names a mirror. */
export function putPackageSources(
  editor: TreeEditor,
  { distribution, repositories }: Pick<ImageSpec, "distribution" | "repositories">,
): void {
  const { alpine, debian } = repositories;
  if (distribution === "alpine" && alpine.length > 0 && editor.stands("/sbin/apk")) {
    putIfAbsent(
      editor,
      "/etc/apk/repositories",
      alpine.map(({ url, tag }) => (tag === undefined ? `${url}\n` : `@${tag} ${url}\n`)).join(""),
    );
  }
  if (distribution === "debian" && debian?.mirror !== undefined && editor.stands("/usr/bin/apt")) {
    const { release, mirror, components = ["main"] } = debian;
    const suites = debian.suites ?? [release, `${release}-updates`];
    putIfAbsent(
      editor,
      "/etc/apt/sources.list",
      suites.map((suite) => `deb ${mirror} ${suite} ${components.join(" ")}\n`).join(""),
    );
  }
}

function putIfAbsent(editor: TreeEditor, path: string, text: string): void {
  if (!editor.stands(path)) editor.text(path, text, { mode: 0o644 });
}
