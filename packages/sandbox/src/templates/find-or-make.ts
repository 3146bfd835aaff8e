// The template for a shape: the one that is there, or a new one, made once however many ask at the same time.

import { cancelled, describeError, KelpieError } from "@kelpie/platform";
import type { MakeOptions } from "./make-template.ts";
import type { Template, TemplateStore } from "./template-store.ts";
import { templateKey } from "./template-key.ts";

/** A template, or why there is none. */
export type TemplateChoice =
  | {
      readonly kind: "template";
      readonly template: Template;
      /** Why it was made just now; undefined where it was there. */
      readonly made: string | undefined;
      /** Resolves when what is done for a new template in the background is done; never rejects. */
      readonly sealed: Promise<void>;
    }
  | { readonly kind: "none"; readonly reason: string };

/** Finds or makes the template of a shape. `boot-failed` where its guest does not boot, `cancelled`. */
export async function findOrMakeTemplate(options: Omit<MakeOptions, "key">): Promise<TemplateChoice> {
  const { platform, vmm, store, spec, bootTimeoutMs, signal } = options;
  if (spec.sharedMemory === true) {
    // A restored guest's memory is a copy-on-write view of the template's: no daemon beside QEMU sees what it writes.
    return none("virtiofs is served by a daemon, which must share the guest's memory");
  }
  if (spec.vsockDevice?.kind === "vhost-user-vsock") {
    return none("vsock is served by a daemon, whose device QEMU cannot save");
  }
  const key = await templateKey(platform.files, vmm, spec);
  if (key === undefined) return none(`${vmm.description} cannot save and restore machines`);
  try {
    const lookup = await store.find(key, spec.image);
    if (lookup.kind === "found") return existing(lookup.template);
    if (lookup.kind === "impossible") return none(lookup.reason);
    await using _lock = await store.lock(key, bootTimeoutMs, signal);
    const second = await store.find(key, spec.image);
    if (second.kind === "found") return existing(second.template);
    if (second.kind === "impossible") return none(second.reason);
    // Loaded only here: most starts find what they need.
    const { makeTemplate } = await import("./make-template.ts");
    const made = await makeTemplate({ ...options, key });
    if (made.kind === "impossible") {
      if (made.isLasting) await store.giveUp(key, spec.image, made.reason);
      return none(made.reason);
    }
    return {
      kind: "template",
      template: made.template,
      made: second.kind === "refused" ? second.reason : "there was none for this image and shape",
      sealed: finish(store, made.template),
    };
  } catch (error) {
    if (signal.aborted) throw cancelled(signal);
    if (!KelpieError.is(error) || error.code === "boot-failed") throw error;
    return none(describeError(error));
  }
}

function existing(template: Template): TemplateChoice {
  return { kind: "template", template, made: undefined, sealed: Promise.resolve() };
}

function none(reason: string): TemplateChoice {
  return { kind: "none", reason };
}

/** A template that cannot be sealed is good until the host's next start; leftovers that cannot be swept take space. */
async function finish(store: TemplateStore, template: Template): Promise<void> {
  try {
    await store.sweep();
    await store.seal(template);
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
  }
}
