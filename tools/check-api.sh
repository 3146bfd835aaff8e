#!/bin/sh
# Checks the agent's API: what is generated is current, the style is buf's, and what an older host or guest speaks is
# still understood: proto/baseline.binpb is the API as it was first promised.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
sh "$root/tools/generate-api.sh" --check
cd "$root/proto"
"$root/tools/buf.sh" lint
"$root/tools/buf.sh" format --diff --exit-code
"$root/tools/buf.sh" breaking --against baseline.binpb
