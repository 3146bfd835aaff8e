# For ./kelpie, with $root set: Node.js in $node and what it is to run in $program, the command line as a bundle.
# What was found out by tools/setup.sh is kept beside the bundle, and holds while the files that it was found out from
# are older. The bundle holds while no source is younger. What V8 compiled of it is kept in it, and goes with it.

chosen_cache=${NODE_COMPILE_CACHE:-}
. "$root/tools/start/home.sh"
started=$root/node_modules/.cache/kelpie-start

# Whether the last start's findings hold. Sets $node and $program.
recall_start() {
  [ "$started" -nt "$root/package-lock.json" ] && [ "$started" -nt "$root/tools/node/package-lock.json" ] || return 1
  { read -r node && read -r system_node && read -r program; } <"$started" || return 1
  [ "$system_node" = "$(command -v node || echo none)" ] && [ -x "$node" ] && [ -f "$program" ] || return 1
  [ "$started" -nt "$node" ] && [ -z "$(find "$root"/packages/*/src "$root/tools/start" -newer "$started" -print -quit)" ]
}

# Sets up what is missing and makes the bundle anew; where it cannot be made, the sources are run as they are.
renew_start() {
  . "$root/tools/setup.sh"
  program=$root/packages/cli/src/main.ts
  cache=$root/node_modules/.cache
  # Made before the bundle: a source that changes meanwhile is younger. A checkout may be somebody else's, and read-only.
  mkdir -p "$cache" 2>/dev/null && mark=$(mktemp "$started.XXXXXX" 2>/dev/null) || return 0
  bundle=$cache/kelpie-bundle-$(date +%s)-$$
  if "$node" "$root/tools/start/bundle.ts" "$bundle" >/dev/null 2>&1; then program=$bundle/main.mjs; fi
  printf '%s\n' "$node" "$(command -v node || echo none)" "$program" >"$mark.new"
  touch -r "$mark" "$mark.new"
  mv "$mark.new" "$started"
  rm -f "$mark"
  # An older bundle may be running.
  find "$cache" -maxdepth 1 -name 'kelpie-bundle-*' -mmin +60 ! -path "$bundle" -exec rm -rf {} +
}

# The program for a command, in $program: the one that holds it alone, where the bundle has one.
choose_program() {
  bundle=${program%/*}
  case $1 in
    run) [ ! -f "$bundle/run.cjs" ] || program=$bundle/run.cjs ;;
  esac
  case $program in
    *.ts) ;;
    *) if [ -z "$chosen_cache" ] && [ -w "$bundle" ]; then export NODE_COMPILE_CACHE="$bundle/compiled"; fi ;;
  esac
}

recall_start || renew_start
choose_program "${1:-}"
