// The keeper of a machine that outlives its creator: a POSIX shell script, so that a hundred of them cost little.
//
// It runs in the machine's directory, in a session of its own. Files that it writes there:
//   keeper, qemu     who they are: /proc/PID/stat, or the bare process id where there is no /proc
//   console.log[.1]  the end of the console, twice 512 KiB at most; qemu.log[.1] QEMU's own words, twice 32 KiB
//   shutdown         QEMU's last SHUTDOWN event
//   reason           why the keeper ended the machine: killed, ttl, idle or start
//   ended            QEMU's exit status: written last, when everything else is there
// It reads: ready (the start is confirmed), activity (its time: the last use), agent.N.lock (who uses a port now).

/** Names of the keeper's files in the run directory, for both sides. */
export const keeperFiles = {
  keeper: "keeper",
  qemu: "qemu",
  console: "console.log",
  qemuLog: "qemu.log",
  shutdown: "shutdown",
  reason: "reason",
  ended: "ended",
  ready: "ready",
  activity: "activity",
} as const;

/** Why a keeper ended its machine, as it stands in `reason`. */
export type KeeperReason = "killed" | "ttl" | "idle" | "start";

/** The bound of one file of the console and of QEMU's words; the file before it is kept too. */
export const consoleFileLimitBytes = 512 << 10;
export const qemuLogLimitBytes = 32 << 10;

/**
 * Arguments: TTL IDLE START-WITHIN (seconds, 0 is never) remove|keep, then the command.
 * SIGUSR1 says that the start is complete: the times count from then. SIGTERM ends the machine. A watcher that has outlived a killed keeper ends nothing but the QEMU that it knew.
 */
export const keeperScript = `
ttl=$1 idle=$2 within=$3 after=$4
shift 4
umask 077
trap '' HUP INT QUIT
directory=$(pwd)
qemu=
confirmed=
# The start may be complete before we know whom to watch.
trap 'confirmed=yes' USR1

identify() { cat "/proc/$1/stat" 2>/dev/null || echo "$1"; }
identity() { identify "$1" | cut -d ' ' -f 1,22; }
end() {
  [ -e reason ] || echo "$1" >reason
  [ "$(identity "$qemu")" = "$known" ] && kill -KILL "$qemu"
}
record() {
  while dd bs=1 count="$2" of="$1"; [ "$(wc -c <"$1")" -ge "$2" ]; do mv "$1" "$1.1"; done
  cat
}
keep_shutdown() {
  while read -r line; do
    case $line in *'"SHUTDOWN"'*) printf '%s\\n' "$line" >shutdown ;; esac
  done
}
is_used() {
  for lock in agent.*.lock; do
    read -r pid rest <"$lock" && kill -0 "$pid" && return 0
  done
  [ activity -nt looked ]
}
watch_idle() {
  step=$(((idle + 7) / 8)) unused=0
  : >looked
  while sleep "$step"; do
    if is_used; then : >looked; unused=0; else unused=$((unused + step)); fi
    [ "$unused" -lt "$idle" ] || { end idle; return; }
  done
}

watch_life() {
  [ "$ttl" -eq 0 ] || (sleep "$ttl" && end ttl) &
  [ "$idle" -eq 0 ] || watch_idle &
}

exec 2>/dev/null
identify $$ >keeper
mkfifo .console .events .words
record console.log ${consoleFileLimitBytes} <.console >/dev/null &
recorders=$!
record qemu.log ${qemuLogLimitBytes} <.words >/dev/null &
recorders="$recorders $!"
keep_shutdown <.events >/dev/null &
recorders="$recorders $!"
echo '{"execute":"qmp_capabilities"}' | "$@" 3>.console >.events 2>.words &
qemu=$!
identify "$qemu" >qemu
known=$(identity "$qemu")
trap 'end killed' TERM
trap watch_life USR1
[ -z "$confirmed" ] || watch_life
(sleep "$within" && { [ -e ready ] || end start; }) &

wait "$qemu"
status=$?
while kill -0 "$qemu"; do
  wait "$qemu"
  status=$?
done
wait $recorders
rm -f .console .events .words looked
echo "$status" >.ended && mv .ended ended
cd /
[ "$after" = keep ] || rm -rf -- "$directory"
trap '' TERM
kill -TERM 0
`;
