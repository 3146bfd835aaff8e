#!/bin/sh
# Builds the Kelpie base image (kelpie-base.yaml) into the image store, and pushes it where asked to.
# The last line of its output is the full version of what it built.
set -eu

usage() {
  cat <<'USAGE'
Usage: ./build.sh [OPTIONS]

Builds the Kelpie base image. The last line printed is its full version.

OPTIONS:
    --arch <arch>       Architecture (arm64, amd64, all) [default: all]
    --version <ver>     Image version (SemVer) [default: 1.0.0]
    --push              Push to registry [default: false]
    --registry <reg>    Registry URL [default: none]
    --help              Show help

ARCH, VERSION and REGISTRY in the environment stand for the options of their names.
USAGE
}

misused() {
  printf 'build.sh: %s\n' "$*" >&2
  exit 2
}

arch=${ARCH:-all}
version=${VERSION:-1.0.0}
registry=${REGISTRY:-}
push=false

while [ $# -gt 0 ]; do
  option=$1
  shift
  case $option in
    --arch=* | --version=* | --registry=*)
      value=${option#*=}
      option=${option%%=*}
      ;;
    --arch | --version | --registry)
      [ $# -gt 0 ] || misused "$option needs a value"
      value=$1
      shift
      ;;
  esac
  case $option in
    --arch) arch=$value ;;
    --version) version=$value ;;
    --registry) registry=$value ;;
    --push) push=true ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) misused "unknown option '$option'; --help lists them" ;;
  esac
done

case $arch in
  arm64 | amd64 | all) ;;
  *) misused "--arch must be arm64, amd64 or all: found '$arch'" ;;
esac
[ "$push" = false ] || [ -n "$registry" ] || misused "--push needs --registry"

images=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
set -- images build --spec "$images/kelpie-base.yaml" --arch "$arch" --version "$version"
[ "$push" = false ] || set -- "$@" --push --registry "$registry"
exec "$images/../kelpie" "$@"
