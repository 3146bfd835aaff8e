// JSON that may be damaged: what is kept in a cache and can be made anew.

/** The value, or undefined where the text is no JSON. The caller checks its shape. */
export function tryParseJson(text: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof text === "string" ? text : new TextDecoder().decode(text));
  } catch {
    return undefined;
  }
}
