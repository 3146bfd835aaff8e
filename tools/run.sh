#!/bin/sh
# run.sh SCRIPT [ARGUMENT…]: sets up what is missing, then runs a script of this checkout.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
. "$root/tools/setup.sh"
script=$1
shift
# Programs that the script starts find the same Node.js.
PATH=$(dirname "$node"):$PATH
export PATH
exec "$node" "$root/$script" "$@"
