#!/usr/bin/env bash
# The house: every include points down. A room may use rooms of lower levels and itself; <mpi.h> is in files named *_mpi only.
cd "$(dirname "$0")/.." || exit 1
declare -A level=([base]=0 [cluster]=1 [kernel]=1 [store]=1 [net]=2 [data]=2 [record]=2 [train]=3 [predict]=3 [table]=3 [vision]=3 [lab]=4 [serve]=5 [cli]=6)
bad=0
while IFS=: read -r file include; do
  [[ $file =~ ^(src|include/bramble)/([a-z]+)/ ]] && from=${BASH_REMATCH[2]} || continue
  [[ $include =~ [\<\"](bramble/)?([a-z]+)/ ]] && to=${BASH_REMATCH[2]} || continue
  [ -n "${level[$from]:-}" ] && [ -n "${level[$to]:-}" ] || continue
  [ "$from" = "$to" ] && continue
  if [ "${level[$to]}" -ge "${level[$from]}" ]; then
    echo "$file: $from must not use $to: $include"
    bad=1
  fi
done < <(grep -rnoE '#include +[<"](bramble/)?[a-z]+/[^>"]*[>"]' src include --include='*.[ch]' | sed -E 's/:[0-9]+:/:/')
mpi=$(grep -rlE '#include +<mpi\.h>' src include | grep -v "_mpi\.[ch]$")
[ -z "$mpi" ] || { echo "mpi.h outside *_mpi: $mpi"; bad=1; }
for header in $(find include -name '*.h'); do
  case $header in *_mpi.h) continue ;; esac
  cc -std=c11 -D_GNU_SOURCE -Iinclude -fsyntax-only -x c "$header" || { echo "$header does not compile alone"; bad=1; }
done
for word in util common misc old; do
  [ -z "$(find src -name "$word*" -print -quit)" ] || { echo "a room or file named $word"; bad=1; }
done
exit $bad
