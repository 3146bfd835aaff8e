// A handful of small packages that behave like a distribution, for the tests of whole repositories.

import { type MadeDeb, makeDeb } from "./make-deb.ts";

/** base-files, libc6 (Multi-Arch: same), sh (which needs libc6), a tool for any architecture with configuration. */
export async function smallWorld(): Promise<MadeDeb[]> {
  return await Promise.all([
    makeDeb({
      name: "base-files",
      version: "12",
      fields: { Essential: "yes", Priority: "required" },
      files: { "etc/debian_version": "12.0\n", "tmp/": "", "bin/": "", "lib/": "" },
      control: { conffiles: "/etc/debian_version\n" },
    }),
    makeDeb({
      name: "libc6",
      version: "2.36-9",
      fields: { "Multi-Arch": "same", Section: "libs" },
      files: { "lib/x/libc.so.6": "library\n", "lib64/ld.so": "-> /lib/x/libc.so.6" },
      control: { triggers: "activate-noawait ldconfig\n", postinst: "#!/bin/sh\nexit 0\n" },
      compression: ".zst",
    }),
    makeDeb({
      name: "sh",
      version: "1:1.0-1",
      fields: { Depends: "libc6 (>= 2.30)", Provides: "shell" },
      files: { "bin/sh": "shell\n", "usr/share/doc/sh/copyright": "free\n" },
      control: {
        md5sums: "7bb1cbeb9bbed5f1a1ea3c06f5afa6b5  bin/sh\n",
        triggers: "interest-noawait /usr/share/shells\n",
      },
    }),
    makeDeb({
      name: "tool",
      version: "0.1",
      architecture: "all",
      fields: { Depends: "shell, base-files" },
      files: { "usr/bin/tool": "tool\n", "etc/tool.conf": "setting\n" },
      control: {
        conffiles: "/etc/tool.conf\n",
        triggers: "interest tool-trigger\ninterest-noawait /usr/share/tools\n",
      },
    }),
  ]);
}
