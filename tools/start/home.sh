# Sets $kelpie_home, as the programs find it: absolute, also where HOME is not set or KELPIE_HOME is relative.

if [ -z "${HOME:-}" ]; then
  HOME=$(eval echo "~$(id -un)")
  export HOME
fi
kelpie_home=${KELPIE_HOME:-$HOME/.kelpie}
case $kelpie_home in
  /*) ;;
  *) kelpie_home=${PWD%/}/$kelpie_home ;;
esac
