#!/usr/bin/env bash
# No arm64 board is at hand, so its inner loops are read instead of timed: the cross-compiled NEON matrix product must hold its tile in registers (no loads or stores
# of the stack) and spend few instructions beside the multiply-adds. llvm-mca, where it is, says what Cortex-A72 and A76 make of the loop; that is reported.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cross=aarch64-linux-gnu
for tool in $cross-gcc $cross-objdump; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
$cross-gcc -std=gnu11 -O2 -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -I"$here/include" -I"$here/src" -c "$here/src/kernel/isa_neon.c" -o "$work/neon.o"
# Every innermost loop with many multiply-adds by a lane, as the tiles of products have and the narrow blocks (inverted_narrow.inc), where each vector is clipped or masked and stored too: "fmlas instructions stack-accesses function first last".
$cross-objdump -d --no-show-raw-insn "$work/neon.o" >"$work/text"
awk '
  /^[0-9a-f]+ <.*>:$/ { name = substr($2, 2, length($2) - 3); n = 0; next }
  /^ +[0-9a-f]+:\t/ {
    address = $1; sub(":", "", address); at[address] = ++n; where[n] = address
    text[n] = $0; fmla[n] = $0 ~ /fmla.*\.s\[/; stack[n] = $0 ~ /\[sp/; back[n] = 0
    if ($2 ~ /^(b\.|cbn?z|tbn?z)/) {
      target = $0; sub(/ <.*/, "", target); sub(/.*[ \t]/, "", target); sub(/^0x/, "", target)
      if (target in at && where[at[target]] == target && at[target] < n) {
        sum = 0; spills = 0; inner = 1
        for (i = at[target]; i < n; i++) { sum += fmla[i]; spills += stack[i]; if (back[i]) inner = 0 }
        back[n] = 1
        if (inner && sum >= 32) print sum, n - at[target] + 1, spills, name, target, address
      }
    }
  }' "$work/text" | sort -k1,1nr -k2,2n >"$work/loops"
[ -s "$work/loops" ] || { echo "no loop of a product was found"; exit 1; }
failed=0
while read -r fmlas instructions stack name first last; do
  ratio=$((instructions * 100 / fmlas))
  echo "$name: $fmlas multiply-adds of 4 floats, $instructions instructions, $((ratio / 100)).$(printf %02d $((ratio % 100))) each, $stack of them with the stack"
  case $name in
    narrow_*) most=240 stacks=2 ;;
    *) most=180 stacks=0 ;;
  esac
  [ "$stack" -le $stacks ] || failed=1
  [ $ratio -le $most ] || failed=1
done <"$work/loops"
read -r fmlas instructions stack name first last <"$work/loops"
[ "$fmlas" -ge 64 ] || { echo "no loop holds a whole tile"; failed=1; }
mca=$(command -v llvm-mca llvm-mca-19 llvm-mca-16 llvm-mca-14 | head -1 || true)
if [ -z "$mca" ]; then
  echo "llvm-mca is not installed: no estimate of cycles"
else
  awk -v first="$first" -v last="$last" '$1 == first ":" { on = 1 } on && $2 !~ /^(b\.|cb|tb)/ { sub(/^[^\t]*\t/, ""); sub(/[ \t]*(\/\/|<).*/, ""); print } $1 == last ":" { on = 0 }' "$work/text" >"$work/loop.s"
  for core in cortex-a72 cortex-a76; do
    cycles=$("$mca" -mtriple=aarch64 -mcpu=$core -iterations=200 "$work/loop.s" 2>/dev/null | awk '/^Total Cycles/ { print $3 / 200 }')
    echo "$core: $cycles cycles for $fmlas multiply-adds: $(awk -v c="$cycles" -v f="$fmlas" 'BEGIN { printf "%.2f", c / f }') each"
  done
fi
exit $failed
