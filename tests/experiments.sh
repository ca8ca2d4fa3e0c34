# Every experiment file runs with --smoke, and its report is made. A file whose verbs this build does not have yet is named.
set -e
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$build/bramble" sweep "$source/experiments/lenet_nodes.yaml" --smoke --results probe > probe.txt 2>&1 || true
grep -q 'without YAML' probe.txt && { echo "skipped: built without libyaml"; exit 77; }
ran=0
for file in "$source"/experiments/*.yaml; do
  name=$(basename "$file" .yaml)
  if ! "$build/bramble" sweep "$file" --smoke --quiet > out.txt 2> err.txt; then
    grep -qE 'is not an option|is not a verb|is not in the zoo|are possible|takes a model|is not a model' err.txt || { echo "$name: $(cat err.txt)"; exit 1; }
    echo "$name: not yet: $(cat err.txt)"
    continue
  fi
  if grep -q '^failed' out.txt; then
    grep '^failed' out.txt | grep -vqE 'is not an option|is not a verb|is not in the zoo|takes a model|takes one|safetensors: cannot be read|needs its kind before it' && { echo "$name:"; cat out.txt; exit 1; }
    echo "$name: not yet: $(grep -m1 '^failed' out.txt)"
    continue
  fi
  "$build/bramble" report "results/$name-smoke" --out report.html --quiet
  [ "$(wc -c < report.html)" -gt 5000 ] || { echo "$name: the report is short"; exit 1; }
  "$build/bramble" report "results/$name-smoke" --csv | grep -q '^bramble,' || { echo "$name: the report has no figures"; exit 1; }
  ran=$((ran + 1))
done
echo "$ran experiment files ran"
[ $ran -ge 1 ]
