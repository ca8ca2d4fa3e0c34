# Every experiment file runs with --smoke, none of its cases fails, and its report is made.
. "$(dirname "$0")/head.bash"
need_yaml
ran=0
for file in "$source"/experiments/*.yaml; do
  name=$(basename "$file" .yaml)
  "$build/bramble" sweep "$file" --smoke --quiet > out.txt 2> err.txt || { echo "$name: $(cat err.txt)"; exit 1; }
  ! grep -E '^(failed|timeout)' out.txt || { echo "$name: a case failed"; exit 1; }
  "$build/bramble" report "results/$name-smoke" --out report.html --quiet
  [ "$(wc -c < report.html)" -gt 5000 ] || { echo "$name: the report is short"; exit 1; }
  "$build/bramble" report "results/$name-smoke" --csv | grep -q '^bramble,' || { echo "$name: the report has no figures"; exit 1; }
  ran=$((ran + 1))
done
echo "$ran experiment files ran"
[ $ran -ge 10 ]
