# Sourced by tests that print a hash and the name of the kernels: the program is built for this machine and for arm64, and all its runs must agree.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cross=aarch64-linux-gnu-gcc
for tool in $cross qemu-aarch64; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=gnu11 -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -I$here/include -I$here/src"
both() { # sources and flags: makes $work/here and $work/arm64
  gcc $flags "$@" -o "$work/here" -lm -lpthread &
  $cross $flags -static "$@" -o "$work/arm64" -lm -lpthread
  wait $!
}
agree() { # of all lines of $work/all the first word, and arm64 was among them
  test "$(cut -d' ' -f1 "$work/all" | sort -u | wc -l)" = 1 || { echo "the hashes differ"; exit 1; }
  grep -q neon "$work/all"
}
