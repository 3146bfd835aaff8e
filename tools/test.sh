#!/bin/sh
# npm test: sets up what is missing, then runs every check and every test.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
. "$root/tools/setup.sh"
# Programs that tests start find the same Node.js.
PATH=$(dirname "$node"):$PATH
export PATH
exec "$node" "$root/tools/test.ts" "$@"
