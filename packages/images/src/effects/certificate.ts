// As much of X.509 as finds a certificate by OpenSSL's hash of its subject.
// DER: ITU-T X.690. Names: RFC 5280, section 4.1.2.4. Canonical form: OpenSSL, X509_NAME_hash(3).

import { createHash } from "node:crypto";
import { KelpieError } from "@kelpie/platform";

/** The DER bytes of the first certificate in a PEM file. @throws KelpieError `malformed`. */
export function readPemCertificate(text: string, where: string): Uint8Array {
  const match = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END/.exec(text);
  if (match?.[1] === undefined) throw malformed(where, "a PEM certificate");
  return new Uint8Array(Buffer.from(match[1], "base64"));
}

/** A digest that tells certificates of one subject apart. */
export function certificateFingerprint(certificate: Uint8Array): string {
  return createHash("sha1").update(certificate).digest("hex");
}

/** What `openssl x509 -hash` prints: eight hexadecimal digits. @throws KelpieError `malformed`. */
export function subjectHash(certificate: Uint8Array, where: string): string {
  const signed = elements(elements(certificate, where)[0]?.content, where)[0];
  const fields = elements(signed?.content, where);
  // serial, algorithm, issuer, validity, subject; before them the version, where it is not the first.
  const subject = fields[fields[0]?.tag === 0xa0 ? 5 : 4];
  if (subject?.tag !== 0x30) throw malformed(where, "a subject");
  const canonical = elements(subject.content, where).map(({ content }) => canonicalName(content, where));
  const digest = createHash("sha1").update(Buffer.concat(canonical)).digest();
  return digest.readUInt32LE(0).toString(16).padStart(8, "0");
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag and length included. */
  readonly whole: Uint8Array;
}

/** The DER elements that stand one after another in `bytes`. */
function elements(bytes: Uint8Array | undefined, where: string): readonly Element[] {
  const found: Element[] = [];
  if (bytes === undefined) return found;
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    const tag = bytes[at++] ?? 0;
    let length = bytes[at++] ?? -1;
    if (length > 0x80) {
      const digits = length - 0x80;
      if (digits > 4) throw malformed(where, "lengths of at most four bytes");
      length = 0;
      for (let index = 0; index < digits; index++) length = length * 256 + (bytes[at++] ?? 0);
    } else if (length === 0x80) throw malformed(where, "a definite length");
    if (length < 0 || at + length > bytes.length) throw malformed(where, "an element within its parent");
    found.push({ tag, content: bytes.subarray(at, at + length), whole: bytes.subarray(start, at + length) });
    at += length;
  }
  return found;
}

/** One set of a name with its texts in UTF-8, lower case, and blanks made single. */
function canonicalName(content: Uint8Array, where: string): Buffer {
  const attributes = elements(content, where).map((attribute) => {
    const [type, value] = elements(attribute.content, where);
    if (type === undefined || value === undefined) throw malformed(where, "an attribute's type and value");
    const text = decode(value);
    const canonical =
      text === undefined ? value.whole : element(0x0c, Buffer.from(canonicalText(text), "utf8"));
    return element(0x30, Buffer.concat([type.whole, canonical]));
  });
  return element(0x31, Buffer.concat(attributes.sort((a, b) => Buffer.compare(a, b))));
}

/** Only ASCII is lowered, and only ASCII blanks are blanks. */
function canonicalText(text: string): string {
  return text
    .replaceAll(/[ \t\n\v\f\r]+/g, " ")
    .replaceAll(/^ | $/g, "")
    .replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** The text of a string type, or undefined for another type. */
function decode({ tag, content }: Element): string | undefined {
  const bytes = Buffer.from(content);
  switch (tag) {
    case 0x0c: // UTF8String
      return bytes.toString("utf8");
    case 0x13: // PrintableString
    case 0x14: // T61String
    case 0x16: // IA5String
    case 0x1a: // VisibleString
      return bytes.toString("latin1");
    case 0x1e: // BMPString
      return bytes.length % 2 === 0 ? bytes.swap16().toString("utf16le") : undefined;
    default:
      return undefined;
  }
}

function element(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x1_00
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

function malformed(where: string, expected: string): KelpieError {
  return new KelpieError("malformed", "A certificate cannot be read", { expected, where });
}
