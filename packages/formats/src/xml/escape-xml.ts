// Words from anywhere as a text or an attribute of an XML document.

/** `words` with nothing in them that is markup, or a character that XML 1.0 does not have ("2.2 Characters"). */
export function escapeXml(words: string): string {
  return words
    .toWellFormed()
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
