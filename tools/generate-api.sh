#!/bin/sh
# Makes both sides' types from proto/: the guest's Rust and the host's TypeScript. With --check: fails if what is
# committed is not what would be made.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target/guest-api}"
cargo run --quiet --locked --manifest-path "$root/tools/guest-api/Cargo.toml" -- "$@"
types=packages/sandbox/src/agent/gen
if [ "${1:-}" = --check ]; then
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  cd "$root" && tools/buf.sh generate proto --template proto/buf.gen.yaml --output "$made"
  diff -r "$root/$types" "$made/$types"
else
  cd "$root" && tools/buf.sh generate proto --template proto/buf.gen.yaml
fi
