// `extends`: a spec's values over those of the one it extends.

import type { SpecFile } from "./schema.ts";

/**
 * Lists are joined without repeats, users, groups and services by their names, mounts by their paths, maps key by key; everything else is the child's where
 * the child has it. A package that the child writes as "-name" is taken off the list.
 */
export function mergeSpecs(parent: SpecFile, child: SpecFile): SpecFile {
  const { extends: _extends, ...own } = child;
  return {
    ...parent,
    ...own,
    ...defined({
      packages: joinPackages(parent.packages, child.packages),
      assume: join(parent.assume, child.assume),
      overlays: join(parent.overlays, child.overlays),
      users: byKey(parent.users, child.users, ({ name }) => name),
      groups: byKey(parent.groups, child.groups, ({ name }) => name),
      init: joinInit(parent.init, child.init),
      files: over(parent.files, child.files),
      environment: over(parent.environment, child.environment),
      scripts: over(parent.scripts, child.scripts),
      repositories: over(parent.repositories, child.repositories),
      keys: over(parent.keys, child.keys),
    }),
  };
}

function joinPackages(parent: string[] | undefined, child: string[] | undefined): string[] | undefined {
  const all = join(parent, child);
  if (all === undefined) return undefined;
  const removed = new Set((child ?? []).filter((name) => name.startsWith("-")).map((name) => name.slice(1)));
  return all.filter((name) => !name.startsWith("-") && !removed.has(name));
}

function join(parent: string[] | undefined, child: string[] | undefined): string[] | undefined {
  return parent === undefined && child === undefined
    ? undefined
    : [...new Set([...(parent ?? []), ...(child ?? [])])];
}

type Init = SpecFile["init"];

function joinInit(parent: Init, child: Init): Init {
  if (parent === undefined || child === undefined) return child ?? parent;
  return defined({
    services: byKey(parent.services, child.services, ({ name }) => name),
    mounts: byKey(parent.mounts, child.mounts, ({ path }) => path),
  });
}

function byKey<T>(
  parent: T[] | undefined,
  child: T[] | undefined,
  key: (each: T) => string,
): T[] | undefined {
  if (parent === undefined || child === undefined) return child ?? parent;
  const keys = new Set(child.map(key));
  return [...parent.filter((each) => !keys.has(key(each))), ...child];
}

function over<T extends object>(parent: T | undefined, child: T | undefined): T | undefined {
  return parent === undefined || child === undefined ? (child ?? parent) : { ...parent, ...child };
}

function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
