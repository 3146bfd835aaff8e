# Sets up what Kelpie itself needs on a fresh clone, for the scripts that source it with $root set: Node.js in $node,
# and the npm packages of the lock file. Says what it does before it does it, and does nothing when all is there.

. "$root/tools/start/home.sh"
required_node_major=24

say() {
  printf 'kelpie: %s\n' "$*" >&2
}

fail() {
  say "$@"
  exit 1
}

# Runs an installing command and shows what it printed only if it failed.
quietly() {
  if ! output=$("$@" 2>&1); then
    printf '%s\n' "$output" | tail -n 15 >&2
    fail "cannot go on: '$*' failed"
  fi
}

node_major() {
  "$1" --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p'
}

need_npm() {
  command -v npm >/dev/null 2>&1 || fail "npm is not installed; install Node.js 20 or newer with npm, then run this again"
}

# Directories that are filled beside their place and renamed into it, so that two first runs at once do no harm.
install_node() {
  need_npm
  say "Node.js $required_node_major or newer is needed and $(node --version 2>/dev/null || echo none) is installed;" \
    "installing a private one with npm into $pinned_node"
  mkdir -p "$(dirname "$pinned_node")"
  staging=$(mktemp -d "$pinned_node.XXXXXX")
  cp "$root/tools/node/package.json" "$root/tools/node/package-lock.json" "$staging/"
  quietly npm ci --prefix "$staging" --ignore-scripts --no-audit --no-fund
  mv "$staging" "$pinned_node" 2>/dev/null || rm -rf "$staging"
}

find_node() {
  node=$(command -v node 2>/dev/null || true)
  major=$(node_major "${node:-false}")
  if [ -n "$major" ] && [ "$major" -ge "$required_node_major" ]; then
    return
  fi
  pinned_node=$kelpie_home/cache/node/$(cksum <"$root/tools/node/package-lock.json" | tr ' ' -)
  node=$(echo "$pinned_node"/node_modules/node-*/bin/node)
  [ -x "$node" ] || install_node
  node=$(echo "$pinned_node"/node_modules/node-*/bin/node)
  [ -x "$node" ] || fail "no Node.js for this machine ($(uname -s) $(uname -m)) in npm's registry; install Node.js $required_node_major yourself"
}

# node_modules is as the lock file says while the copy of the lock file in it is the same.
install_packages() {
  installed=$root/node_modules/.installed-lock
  if cmp -s "$root/package-lock.json" "$installed"; then
    return
  fi
  need_npm
  say "installing the npm packages of package-lock.json into node_modules"
  (cd "$root" && quietly npm ci --ignore-scripts --no-audit --no-fund)
  cp "$root/package-lock.json" "$installed"
}

find_node
install_packages
