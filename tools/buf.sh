#!/bin/sh
# Runs buf's executable for this machine.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
case $(uname -m) in
  aarch64 | arm64) machine=aarch64 ;;
  *) machine=x64 ;;
esac
# Its plugins for TypeScript are npm packages too.
PATH="$root/node_modules/.bin:$PATH" exec "$root/node_modules/@bufbuild/buf-linux-$machine/bin/buf" "$@"
