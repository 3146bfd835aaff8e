#!/bin/sh
# npm run bench: sets up what is missing, then measures.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/../.." && pwd)
. "$root/tools/setup.sh"
# Programs that cases start find the same Node.js.
PATH=$(dirname "$node"):$PATH
export PATH
exec "$node" "$root/tools/bench/bench.ts" "$@"
