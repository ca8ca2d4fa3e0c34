# The report on a fixed set of results is, byte for byte, the one that was looked at. After a change that is meant: look at the page, then copy it here.
set -e
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")/reference/report" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$build/bramble" report "$here" --markdown > "$folder/expected.md" 2> "$folder/error" || { grep -q 'without YAML' "$folder/error" && echo "skipped: built without libyaml" && exit 77; cat "$folder/error"; exit 1; }
"$build/bramble" report "$here" --csv > "$folder/expected.csv"
"$build/bramble" report "$here" --out "$folder/expected.html" --quiet
for form in md csv html; do cmp "$here/expected.$form" "$folder/expected.$form" || { diff "$here/expected.$form" "$folder/expected.$form" | head -20; exit 1; }; done
# The page needs nothing from elsewhere.
grep -E 'src=|href=|url\(|@import|<script' "$folder/expected.html" && { echo "the page refers to something outside"; exit 1; }
# Bad results are named with their place.
mkdir "$folder/bad"
cp "$here/experiment.yaml" "$folder/bad"
{ head -3 "$here/runs.jsonl"; echo '{"run": oops}'; } > "$folder/bad/runs.jsonl"
"$build/bramble" report "$folder/bad" 2> "$folder/error" && { echo "bad results were accepted"; exit 1; }
grep -q 'runs.jsonl:4:' "$folder/error" || { cat "$folder/error"; exit 1; }
"$build/bramble" report "$folder/none" 2>&1 | grep -q 'cannot be read' || { echo "missing results"; exit 1; }
