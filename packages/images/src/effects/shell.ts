// Reads a shell script without running it: which commands it names, and with which words.
// POSIX Shell Command Language (IEEE 1003.1), as far as it takes to tell a command from a word.

import { KelpieError } from "@kelpie/platform";

/** One word of a command, its quotes removed. */
export interface ShellWord {
  readonly text: string;
  /** Nothing of it is known only when the script runs: no "$", no substitution, no unquoted pattern. */
  readonly literal: boolean;
}

/** A simple command: its first word is what is run. */
export interface ShellCommand {
  readonly words: readonly ShellWord[];
  /** Files that its redirections write. */
  readonly writes: readonly ShellWord[];
}

export interface ShellScript {
  /** Every simple command, those of substitutions and of branches that may never be taken included. */
  readonly commands: readonly ShellCommand[];
  /** Functions that the script defines. */
  readonly functions: ReadonlySet<string>;
}

const maxScriptLength = 1 << 20;
const maxDepth = 200;
const before = new Set(["if", "then", "elif", "else", "while", "until", "do", "!", "{", "time"]);
const after = new Set(["fi", "done", "}", "esac"]);

/** @throws KelpieError `malformed` for what is not the syntax of a shell, `limit-exceeded`. */
export function readShellScript(text: string): ShellScript {
  if (text.length > maxScriptLength) {
    throw new KelpieError("limit-exceeded", "A script is too long to be looked at", {
      expected: `at most ${maxScriptLength} characters`,
      found: `${text.length}`,
    });
  }
  const reader = new Reader(text);
  reader.list("");
  return { commands: reader.commands, functions: reader.functions };
}

class Reader {
  readonly commands: ShellCommand[] = [];
  readonly functions = new Set<string>();
  readonly #text: string;
  #at = 0;
  #depth = 0;
  /** Here-documents whose bodies begin at the next line. */
  #pending: { readonly end: string; readonly tabs: boolean }[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  /** Reads commands up to `end` (")", "`", "esac" for the list of a case, or "" for the script's end) and past it. */
  list(end: ")" | "`" | "esac" | ""): "end" | ";;" {
    if (++this.#depth > maxDepth) throw this.#malformed("less nesting");
    try {
      for (;;) {
        this.#blank();
        const next = this.#text[this.#at];
        if (next === undefined) {
          if (end === "") return "end";
          throw this.#malformed(`"${end}"`);
        }
        if (next === end) {
          this.#at++;
          return "end";
        }
        if (this.#text.startsWith(";;", this.#at) && end === "esac") {
          this.#at += 2;
          return ";;";
        }
        if (next === "\n") this.#newline();
        else if (next === ";" || next === "&" || next === "|") this.#at++;
        else if (next === "(") {
          this.#at++;
          this.list(")");
        } else if (next === ")") throw this.#malformed('no ")" here');
        else if (this.#command(end) === "esac") return "end";
      }
    } finally {
      this.#depth--;
    }
  }

  /** Reads one simple command, or one keyword and what belongs to it. */
  #command(end: string): "esac" | undefined {
    const words: ShellWord[] = [];
    const writes: ShellWord[] = [];
    for (;;) {
      this.#blank();
      const next = this.#text[this.#at];
      if (next === undefined || next === end || "\n;&|()".includes(next)) break;
      if (this.#redirection(writes, end)) continue;
      const start = this.#at;
      const word = this.#word(end);
      const raw = this.#text.slice(start, this.#at);
      if (words.length > 0) {
        words.push(word);
        continue;
      }
      if (raw === "esac" && end === "esac") return "esac";
      if (before.has(raw)) return undefined;
      if (after.has(raw)) continue;
      if (raw === "case" || raw === "for") {
        if (raw === "case") this.#case(end);
        else this.#for(end);
        return undefined;
      }
      if (/^[A-Za-z_]\w*=/.test(raw)) continue;
      if (this.#isDefinition()) {
        this.functions.add(word.text);
        return undefined;
      }
      words.push(word);
    }
    if (words.length > 0 || writes.length > 0) this.commands.push({ words, writes });
    return undefined;
  }

  /** Past the "()" of a function's definition, if it stands here. */
  #isDefinition(): boolean {
    const match = /^[ \t]*\([ \t]*\)/.exec(this.#text.slice(this.#at, this.#at + 100));
    if (match === null) return false;
    this.#at += match[0].length;
    return true;
  }

  #for(end: string): void {
    for (;;) {
      this.#blank();
      const next = this.#text[this.#at];
      if (next === undefined || next === ";" || next === "\n") return;
      if ("&|()".includes(next)) throw this.#malformed("a list of words");
      this.#word(end);
    }
  }

  #case(end: string): void {
    this.#skipLines();
    this.#word(end);
    this.#skipLines();
    const start = this.#at;
    this.#word(end);
    if (this.#text.slice(start, this.#at) !== "in") throw this.#malformed('"in"');
    for (;;) {
      this.#skipLines();
      const from = this.#at;
      if (this.#text[this.#at] === "(") this.#at++;
      for (;;) {
        this.#blank();
        const next = this.#text[this.#at];
        if (next === undefined || next === "\n" || next === ";") throw this.#malformed('a pattern and ")"');
        if (next === ")") break;
        if (next === "|") this.#at++;
        else this.#word(end);
        if (this.#text.slice(from, this.#at) === "esac") return;
      }
      this.#at++;
      if (this.list("esac") === "end") return;
    }
  }

  /** Reads a redirection, if one stands here. */
  #redirection(writes: ShellWord[], end: string): boolean {
    const match = /^\d*(<<-?|<>|>>|>\||[<>]&|<|>)/.exec(this.#text.slice(this.#at, this.#at + 16));
    const operator = match?.[1];
    if (match === null || operator === undefined) return false;
    this.#at += match[0].length;
    this.#blank();
    const target = this.#word(end);
    if (operator.startsWith("<<")) this.#pending.push({ end: target.text, tabs: operator === "<<-" });
    else if (operator.startsWith(">") && operator !== ">&") writes.push(target);
    return true;
  }

  /** One word: everything up to a blank or an operator that is not quoted. */
  #word(end: string): ShellWord {
    let text = "";
    let literal = true;
    const start = this.#at;
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || (next === end && end !== "esac") || " \t\n;&|()<>".includes(next)) break;
      this.#at++;
      if (next === "\\") {
        const escaped = this.#text[this.#at++];
        if (escaped !== "\n") text += escaped ?? "";
      } else if (next === "'") {
        const close = this.#text.indexOf("'", this.#at);
        if (close < 0) throw this.#malformed("a closing '");
        text += this.#text.slice(this.#at, close);
        this.#at = close + 1;
      } else if (next === '"') {
        const inside = this.#doubleQuoted();
        text += inside.text;
        literal &&= inside.literal;
      } else if (next === "$" || next === "`") {
        literal = false;
        text += this.#expansion(next);
      } else {
        if ("*?[".includes(next) && !isTestBracket(this.#text, start, this.#at)) literal = false;
        text += next;
      }
    }
    if (this.#at === start) throw this.#malformed("a word");
    return { text, literal };
  }

  #doubleQuoted(): ShellWord {
    let text = "";
    let literal = true;
    for (;;) {
      const next = this.#text[this.#at++];
      if (next === undefined) throw this.#malformed('a closing "');
      if (next === '"') return { text, literal };
      if (next === "\\") {
        const escaped = this.#text[this.#at++] ?? "";
        text += '$`"\\'.includes(escaped) ? escaped : escaped === "\n" ? "" : `\\${escaped}`;
      } else if (next === "$" || next === "`") {
        literal = false;
        text += this.#expansion(next);
      } else text += next;
    }
  }

  /** Past "$…" or "`…`", whose sign was read; commands inside are kept. Returns the text as it was written. */
  #expansion(sign: string): string {
    const start = this.#at - 1;
    if (sign === "`") this.list("`");
    else if (this.#text.startsWith("((", this.#at)) this.#balanced();
    else if (this.#text[this.#at] === "(") {
      this.#at++;
      this.list(")");
    } else if (this.#text[this.#at] === "{") this.#braces();
    else {
      const name = /^(?:\w+|[@*#?$!-])/.exec(this.#text.slice(this.#at, this.#at + 256));
      this.#at += name?.[0].length ?? 0;
    }
    return this.#text.slice(start, this.#at);
  }

  /** Past "((…))": arithmetic, with substitutions inside. */
  #balanced(): void {
    let open = 0;
    do {
      const next = this.#text[this.#at++];
      if (next === undefined) throw this.#malformed('"))"');
      if (next === "(") open++;
      else if (next === ")") open--;
      else if (next === "`" || (next === "$" && this.#text[this.#at] === "(")) this.#expansion(next);
    } while (open > 0);
  }

  /** Past "{…}" of a parameter expansion, with its quotes and substitutions. */
  #braces(): void {
    this.#at++;
    for (;;) {
      const next = this.#text[this.#at++];
      if (next === undefined) throw this.#malformed('"}"');
      if (next === "}") return;
      if (next === "\\") this.#at++;
      else if (next === '"') this.#doubleQuoted();
      else if (next === "'") this.#at = this.#text.indexOf("'", this.#at) + 1 || this.#text.length;
      else if (next === "$" || next === "`") this.#nested(() => this.#expansion(next));
    }
  }

  #nested(read: () => void): void {
    if (++this.#depth > maxDepth) throw this.#malformed("less nesting");
    read();
    this.#depth--;
  }

  /** Past a line's end and the bodies of the here-documents that begin after it. */
  #newline(): void {
    this.#at++;
    for (const { end, tabs } of this.#pending.splice(0)) {
      for (;;) {
        if (this.#at >= this.#text.length) return;
        const lineEnd = this.#text.indexOf("\n", this.#at);
        const line = this.#text.slice(this.#at, lineEnd < 0 ? undefined : lineEnd);
        this.#at = lineEnd < 0 ? this.#text.length : lineEnd + 1;
        if ((tabs ? line.replace(/^\t+/, "") : line) === end) break;
      }
    }
  }

  #skipLines(): void {
    for (;;) {
      this.#blank();
      if (this.#text[this.#at] !== "\n") return;
      this.#newline();
    }
  }

  /** Past blanks, continued lines and a comment. */
  #blank(): void {
    for (;;) {
      const next = this.#text[this.#at];
      if (next === " " || next === "\t" || next === "\r") this.#at++;
      else if (next === "\\" && this.#text[this.#at + 1] === "\n") this.#at += 2;
      else if (next === "#") {
        const lineEnd = this.#text.indexOf("\n", this.#at);
        this.#at = lineEnd < 0 ? this.#text.length : lineEnd;
      } else return;
    }
  }

  #malformed(expected: string): KelpieError {
    const line = this.#text.slice(0, this.#at).split("\n").length;
    return new KelpieError("malformed", "A script cannot be read as a shell's", {
      expected,
      found: JSON.stringify(this.#text.slice(this.#at, this.#at + 20)),
      where: `line ${line}`,
    });
  }
}

/** "[" and "[[" are commands, not patterns. */
function isTestBracket(text: string, start: number, at: number): boolean {
  return /^\[\[?$/.test(text.slice(start, at)) && /^\[?[ \t\n]/.test(text.slice(at, at + 2));
}
