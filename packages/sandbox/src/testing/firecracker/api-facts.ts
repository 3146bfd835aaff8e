// What Firecracker 1.17's API takes, as far as Kelpie uses it: facts read from its published description
// (src/firecracker/swagger/firecracker.yaml), in which every field has a type and some a range, and a call a time.

/** What a field may hold. */
export type FieldFact =
  | { readonly type: "text"; readonly oneOf?: readonly string[] }
  | { readonly type: "flag" }
  /** `wrong`: what is said of a number that is none of these, where Firecracker has words for it. */
  | { readonly type: "whole number"; readonly least: number; readonly most: number; readonly wrong?: string }
  | { readonly type: "object"; readonly fields: Fields };
export type Fields = Readonly<Record<string, FieldFact & { readonly required?: true }>>;

/** When a call is allowed: before the guest was started, `fresh` before anything was set at all, later, or standing still. */
export type CallTime = "before boot" | "fresh" | "after boot" | "paused" | "always";

export interface CallFact {
  readonly when: CallTime;
  /** Absent: it has no body. */
  readonly body?: Fields;
}

const text = { type: "text" } as const;
const flag = { type: "flag" } as const;
const needed = <F extends FieldFact>(fact: F): F & { readonly required: true } => ({
  ...fact,
  required: true,
});
const oneOf = (...words: string[]): FieldFact => ({ type: "text", oneOf: words });
const whole = (least: number, most: number, wrong?: string): FieldFact => ({
  type: "whole number",
  least,
  most,
  ...(wrong === undefined ? {} : { wrong }),
});
const most32 = 2 ** 32 - 1;

/** By method and path; the last part of a drive's path is its id. */
const callFacts: Readonly<Record<string, CallFact>> = {
  "GET /": { when: "always" },
  "GET /version": { when: "always" },
  "GET /machine-config": { when: "always" },
  "GET /vm/config": { when: "always" },
  "PUT /machine-config": {
    when: "before boot",
    body: {
      vcpu_count: needed(whole(1, 32, "The number of vCPUs must be greater than 0, less than 32.")),
      mem_size_mib: needed(whole(1, most32, "The memory size (MiB) is 0.")),
      smt: flag,
      track_dirty_pages: flag,
      cpu_template: oneOf("C3", "T2", "T2S", "T2CL", "T2A", "V1N1", "None"),
      huge_pages: oneOf("None", "Transparent", "2M"),
    },
  },
  "PUT /boot-source": {
    when: "before boot",
    body: { kernel_image_path: needed(text), boot_args: text, initrd_path: text },
  },
  "PUT /drives/{drive_id}": {
    when: "before boot",
    body: {
      drive_id: needed(text),
      is_root_device: needed(flag),
      // Both are needed of a drive that is a file; one of a vhost-user daemon has `socket` instead.
      path_on_host: needed(text),
      is_read_only: needed(flag),
      partuuid: text,
      cache_type: oneOf("Unsafe", "Writeback"),
      io_engine: oneOf("Sync", "Async"),
    },
  },
  "PUT /vsock": {
    when: "before boot",
    body: { guest_cid: needed(whole(3, most32)), uds_path: needed(text), vsock_id: text },
  },
  "PUT /entropy": { when: "before boot", body: {} },
  "PUT /serial": { when: "before boot", body: { serial_out_path: text } },
  "PUT /actions": {
    when: "before boot",
    body: { action_type: needed(oneOf("InstanceStart")) },
  },
  "PATCH /vm": { when: "after boot", body: { state: needed(oneOf("Paused", "Resumed")) } },
  "PUT /snapshot/create": {
    when: "paused",
    body: {
      snapshot_path: needed(text),
      mem_file_path: needed(text),
      snapshot_type: oneOf("Full", "Diff"),
    },
  },
  "PUT /snapshot/load": {
    when: "fresh",
    body: {
      snapshot_path: needed(text),
      // One of it and the older mem_file_path, which is going away.
      mem_backend: needed({
        type: "object",
        fields: { backend_type: needed(oneOf("File", "Uffd")), backend_path: needed(text) },
      }),
      resume_vm: flag,
      track_dirty_pages: flag,
      clock_realtime: flag,
      vsock_override: { type: "object", fields: { uds_path: needed(text) } },
    },
  },
};

/** The fact for a call; undefined where there is no such call, or Kelpie has no use for it. */
export function factFor(method: string, path: string): CallFact | undefined {
  const known = path.replace(/^\/drives\/[A-Za-z0-9_]+$/, "/drives/{drive_id}");
  return callFacts[`${method} ${known}`];
}

/** What is wrong with a body; undefined where nothing is. A field that is not known is refused, as Firecracker does. */
export function wrongWith(body: unknown, fields: Fields): string | undefined {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return "it is no object";
  const values = new Map<string, unknown>(Object.entries(body));
  const unknown = [...values.keys()].find((name) => fields[name] === undefined);
  if (unknown !== undefined) return `unknown field \`${unknown}\``;
  for (const [name, fact] of Object.entries(fields)) {
    const value = values.get(name);
    if (value === undefined && fact.required === true) return `missing field \`${name}\``;
    const wrong = value === undefined ? undefined : wrongValue(value, fact);
    if (wrong !== undefined) return `${name}: ${wrong}`;
  }
  return undefined;
}

function wrongValue(value: unknown, fact: FieldFact): string | undefined {
  switch (fact.type) {
    case "text":
      if (typeof value !== "string" || value === "") return "it is no text";
      return fact.oneOf?.includes(value) === false ? `unknown variant \`${value}\`` : undefined;
    case "flag":
      return typeof value === "boolean" ? undefined : "it is neither true nor false";
    case "whole number": {
      const isWithin =
        Number.isSafeInteger(value) && Number(value) >= fact.least && Number(value) <= fact.most;
      return isWithin
        ? undefined
        : (fact.wrong ?? `it is no whole number from ${fact.least} to ${fact.most}`);
    }
    case "object":
      return wrongWith(value, fact.fields);
    default:
      return fact satisfies never;
  }
}
