// Names of sandboxes: what a person may choose, and friendly ones for those who do not.

import { KelpieError, type Random } from "@kelpie/platform";

const nameLimit = 63;
const pattern = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;

const qualities =
  "able agile amber apt bold brave brisk calm clear clever cosy crisp deft eager early fair fond fresh gentle glad golden " +
  "grand hardy happy honest jolly keen kind lively lucky merry mild neat nimble noble plucky polite proud quick quiet rapid " +
  "ready sage sharp shy silver sleek smart snug sound spry steady sunny swift tidy trusty warm wise witty zesty";
const dogs =
  "airedale akita basset beagle bolognese borzoi boxer briard brittany bulldog cairn collie corgi dachshund dalmatian dingo " +
  "drever eurasier foxhound greyhound griffon harrier havanese hound husky kelpie komondor kuvasz labrador landseer leonberger " +
  "lurcher malinois maltese mastiff mudi otterhound papillon pointer poodle pug puli pumi retriever saluki samoyed setter " +
  "sheepdog shiba sloughi spaniel spitz terrier vizsla whippet wolfhound";

/** A name of two words that no one of `taken` has. */
export function friendlyName(random: Random, taken: ReadonlySet<string>): string {
  const first = qualities.split(" ");
  const second = dogs.split(" ");
  const [high = 0, low = 0, more = 0] = random.bytes(3);
  const name = `${pick(first, high)}-${pick(second, low)}`;
  if (!taken.has(name)) return name;
  for (let number = 2 + (more & 7); ; number++) {
    if (!taken.has(`${name}-${number}`)) return `${name}-${number}`;
  }
}

/** `name`, if a sandbox may be called so. @throws KelpieError `invalid-input`. */
export function validName(name: string): string {
  if (name.length <= nameLimit && pattern.test(name)) return name;
  throw new KelpieError("invalid-input", "A sandbox cannot have this name", {
    expected: `up to ${nameLimit} of a-z, 0-9, ".", "_" and "-", the first and last a letter or digit`,
    found: JSON.stringify(name.slice(0, 2 * nameLimit)),
  });
}

/** A byte's 256 values over a shorter list: not evenly, which a name need not be. */
function pick(words: readonly string[], byte: number): string {
  return words[byte % words.length] ?? "kelpie";
}
