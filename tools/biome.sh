#!/bin/sh
# Runs the formatter's executable for this machine.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
case $(uname -m) in
  aarch64 | arm64) architecture=arm64 ;;
  *) architecture=x64 ;;
esac
exec "$root/node_modules/@biomejs/cli-linux-$architecture/biome" "$@"
