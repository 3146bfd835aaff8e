# Sets $kelpie_home, as the programs find it: absolute, also where HOME is not set or KELPIE_HOME is relative; and where
# Node.js keeps what it has compiled.

if [ -z "${HOME:-}" ]; then
  HOME=$(eval echo "~$(id -un)")
  export HOME
fi
kelpie_home=${KELPIE_HOME:-$HOME/.kelpie}
case $kelpie_home in
  /*) ;;
  *) kelpie_home=${PWD%/}/$kelpie_home ;;
esac

# Node.js would make the directory itself, and where that cannot be done, as in /proc, it may try for ever.
NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$kelpie_home/cache/node-compile}
if [ -d "$NODE_COMPILE_CACHE" ] || mkdir -p "$NODE_COMPILE_CACHE" 2>/dev/null; then
  export NODE_COMPILE_CACHE
else
  unset NODE_COMPILE_CACHE
fi
