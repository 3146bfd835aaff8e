// Documents that a bill of materials is made of, and bills that somebody else made: read, or refused with a KelpieError.

import { testFuzzTargets, text } from "../testing/fuzz-targets.ts";
import { cargoProgram } from "./cargo-lock.ts";
import { debianLicense } from "./debian-copyright.ts";
import { parseLicense } from "./license.ts";
import { readComponents } from "./read-components.ts";

const cargoLock = `version = 4

[[package]]
name = "agent"
version = "0.1.0"
dependencies = [
 "libc",
]

[[package]]
name = "libc"
version = "0.2.1"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "${"ab".repeat(32)}"
`;
const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: somebody
License: GPL-2+ with OpenSSL exception, and Expat or BSD-3-clause
 the text
 .
 and more of it

License: BSD-3-clause
 Redistribution and use
`;
const bill = JSON.stringify({
  bomFormat: "CycloneDX",
  components: [
    {
      type: "library",
      name: "a",
      version: "1",
      purl: "pkg:deb/debian/a@1",
      licenses: [{ expression: "MIT" }],
    },
    { type: "library", name: "b", purl: "pkg:cargo/b@1", licenses: [{ license: { id: "MIT" } }] },
    { type: "application", name: "c", components: [{ type: "file", name: "c" }] },
  ],
});

testFuzzTargets([
  ["bill of materials", [bill], (input) => readComponents(input, "x")],
  ["Cargo.lock", [cargoLock], (input) => cargoProgram(text(input), "agent", "x")],
  ["debian copyright", [copyright], (input) => debianLicense(text(input))],
  [
    "licence",
    ["(MIT OR Apache-2.0) AND GPL-2.0-or-later WITH Classpath-exception-2.0", "BSD with advertising, custom"],
    (input) => parseLicense(text(input)),
  ],
]);
