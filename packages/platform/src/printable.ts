// Foreign text, such as a guest's, made safe for a person's terminal.

/** Anything that moves a cursor, hides text or changes a terminal: escape sequences and control characters. */
// biome-ignore format: one alternative per line
const unprintable = new RegExp(
  [
    String.raw`\u001b\[[0-?]*[ -/]*[@-~]`, // CSI sequences, such as colours
    String.raw`\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?`, // OSC, DCS and other strings
    String.raw`\u001b[ -/]*[0-~]?`, // other escapes
    String.raw`[\u0000-\u0008\u000b-\u001f\u007f-\u009f]`, // controls but tab and line feed
    String.raw`[\u200e\u200f\u202a-\u202e\u2066-\u2069]`, // changes of direction, which reorder what is read
  ].join("|"),
  "gu",
);

/** `text` without terminal control; lines and tabs stay. */
export function printable(text: string): string {
  return text.replace(unprintable, "");
}

/** As {@link printable}, on one line: what must not look like a line of ours. */
export function printableLine(text: string): string {
  return printable(text).replace(/[\t\n\u2028\u2029]+/gu, " ");
}
