// The trusted certificates of an image, as update-ca-certificates and `openssl rehash` leave them.

import { baseName } from "@kelpie/formats";
import {
  below,
  commandNames,
  followLinks,
  lookUp,
  readBytes,
  readText,
  type TreeEditor,
} from "../rootfs/image-tree.ts";
import { certificateFingerprint, readPemCertificate, subjectHash } from "./certificate.ts";

const distributed = "/usr/share/ca-certificates";
const local = "/usr/local/share/ca-certificates";
const configuration = "/etc/ca-certificates.conf";
const directory = "/etc/ssl/certs";
const maxCertificateBytes = 256 * 1024;

/**
 * Writes /etc/ssl/certs/ca-certificates.crt, a link for each certificate and the links by subject hash. Which of the
 * distributed certificates are trusted is in /etc/ca-certificates.conf; where that is missing, all are, and it says so.
 */
export async function bundleCertificates(editor: TreeEditor): Promise<void> {
  const certificates = await trusted(editor);
  if (certificates.length === 0) return;
  editor.directory(directory, { mode: 0o755 });
  // Alpine's tool puts this before the names, Debian's does not.
  const prefix = commandNames(editor.tree).has("apk") ? "ca-cert-" : "";
  const parts: string[] = [];
  const links = new Map<string, Set<string>>();
  for (const path of certificates) {
    const bytes = await readBytes(editor.tree, path, maxCertificateBytes);
    if (bytes === undefined) continue;
    const text = new TextDecoder().decode(bytes);
    parts.push(text.endsWith("\n") ? text : `${text}\n`);
    const name = `${prefix}${linkName(path)}`;
    editor.link(`${directory}/${name}`, path);
    const certificate = readPemCertificate(text, path);
    const hash = subjectHash(certificate, path);
    const fingerprints = links.get(hash) ?? new Set();
    links.set(hash, fingerprints);
    const fingerprint = certificateFingerprint(certificate);
    if (fingerprints.has(fingerprint)) continue;
    editor.link(`${directory}/${hash}.${fingerprints.size}`, name);
    fingerprints.add(fingerprint);
  }
  editor.text(`${directory}/ca-certificates.crt`, parts.join(""), { mode: 0o644 });
}

async function trusted(editor: TreeEditor): Promise<readonly string[]> {
  const { tree } = editor;
  const all = certificatesBelow(editor, distributed);
  const text = await readText(tree, configuration);
  const added = certificatesBelow(editor, local);
  if (text === undefined) {
    const names = all.map((path) => path.slice(distributed.length + 1));
    if (names.length > 0) {
      editor.text(
        configuration,
        `# Trusted, below ${distributed}; "!" before a name withdraws it.\n${names.join("\n")}\n`,
      );
    }
    return [...all, ...added];
  }
  const named = text
    .split("\n")
    .filter((line) => line !== "" && !/^[#!]/.test(line))
    .map((line) => `${distributed}/${line}`)
    .filter((path) => lookUp(tree, path)?.kind === "file");
  return [...named, ...added];
}

/** Absolute paths of certificates, in bytewise order. */
function certificatesBelow({ tree }: TreeEditor, top: string): readonly string[] {
  const root = followLinks(tree, top, "follow");
  return [...below(tree, root)]
    .filter(({ path, node }) => node.kind !== "directory" && path.endsWith(".crt"))
    .map(({ path }) => `${top}${path.slice(root.length)}`)
    .sort();
}

function linkName(path: string): string {
  return `${baseName(path)
    .replace(/\.crt$/, "")
    .replaceAll(" ", "_")
    .replaceAll(/[()]/g, "=")
    .replaceAll(",", "_")}.pem`;
}
