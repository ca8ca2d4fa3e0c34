# --times: the parts of a table's training and predictions, behind a report that is the same without it; and what every rank's machine did.
. "$(dirname "$0")/head.bash"
bramble=$build/bramble
"$bramble" data make cars --rows 20000 --seed 1 --out cars.csv --quiet > /dev/null
# The parts of a line of times: "name seconds" each, none negative.
parts() { # file, names
  [ "$(grep -o '"times":{[^}]*}' "$1" | grep -o '"[a-z_]*_seconds":[0-9]' | sed 's/"\([a-z_]*\)_seconds.*/\1/' | tr '\n' ' ')" = "$2 " ] || fail "parts: $(cat "$1")"
}
train="$bramble train linear --data cars.csv --target price --features model_year,odometer --drop-missing --split 0.7 --out m.safetensors --json"
$train > plain
begin=$(date +%s.%N)
$train --times > timed
[ "$(wc -l < timed)" = 2 ] && head -1 timed | cmp - plain || fail "the report is another one: $(cat timed)"
parts timed "start load transform train evaluate save"
tail -1 timed | awk -v most="$(date +%s.%N)" -v begin="$begin" '{ while (match($0, /_seconds":[0-9.e-]+/)) { sum += substr($0, RSTART + 10, RLENGTH - 10); $0 = substr($0, RSTART + RLENGTH) } } END { exit !(sum > 0 && sum < most - begin) }' || fail "the parts take longer than the whole: $(cat timed)"
"$bramble" predict m.safetensors --data cars.csv --out s.csv --json --times > predicted
parts predicted "start load_model load predict"
"$bramble" predict m.safetensors --row model_year=2015,odometer=60000 --json --times > one
parts one "start load_model predict"
"$bramble" train tree --data cars.csv --target price --max-depth 3 --folds 3 --times | grep -q '^  evaluate_seconds ' || fail "as text"
"$bramble" train lenet --times 2>&1 | grep -q 'is for linear, tree' || fail "nets"
command -v mpiexec > /dev/null || exit 0
mpiexec -n 2 "$bramble" predict m.safetensors --data cars.csv --out s2.csv --json --times > two
cmp s.csv s2.csv || fail "other predictions"
[ "$(grep -o '"rank":[01]' two | tr -d '\n')" = '"rank":0"rank":1' ] || fail "two ranks: $(cat two)"
