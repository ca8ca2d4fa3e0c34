#!/usr/bin/env bash
# A table packed as a folder of columns: models, measures and predictions are those of the CSV file, to the byte, on any number of ranks; a folder that
# is damaged or not complete is refused by name.
. "$(dirname "$0")/table_lib.bash"

# Everything a column can be: decimals of several scales, whole numbers, huge and tiny ones, missing values, categories, dates, texts that are numbers.
awk 'BEGIN { srand(3); print "a,b,c,kind,when,zip,y";
  for (i = 0; i < 12000; i++) printf "%s,%d,%s,%s,2018-%02d-%02d,%05d,%.3f\n", (i % 9 ? int(rand() * 1000) / 10 : "NA"), rand() * 100, (i < 8000 ? sprintf("%.9g", rand() * 1e12) : i % 7), (i % 11 ? "k" i % 5 : "\"two, \"\"words\"\"\""), 1 + i % 12, 1 + i % 28, i % 40, rand() + i % 5 }' > t.csv
"$bramble" data pack t.csv t --types zip=category --json > packed || fail "packing"
grep -q '"rows":12000' packed || fail "packing says $(cat packed)"
run() { on_ranks "$@" --json --quiet; } # ranks, arguments
same() { # name, arguments
  local name=$1
  shift
  run 1 "$@" --data t.csv --types zip=category --out m.safetensors > wanted || fail "$name from the CSV file"
  for n in 1 3; do
    [ $n = 1 ] || command -v mpiexec >/dev/null || continue
    run $n "$@" --data t --out m.safetensors > got || fail "$name from the folder on $n ranks"
    cmp -s wanted got || fail "$name differs on $n ranks: $(diff wanted got | head -c 600)"
  done
}
same linear train linear --target y --features a,b,c,kind --split 0.7
same tree train tree --target kind --max-depth 8 --where 'b > 10' --missing median
same logistic train logistic --target kind --features a,b,zip --missing mean --let 'b2=b*b' --folds 2 --stratify
"$bramble" train tree --data t --target y --date when --max-depth 6 --out m.safetensors --quiet > /dev/null || fail "parts of dates"
for file in t.csv t; do
  "$bramble" eval m.safetensors --data $file --json --quiet > eval.$file || fail "eval of $file"
  "$bramble" predict m.safetensors --data $file --out p.$file --json --quiet > /dev/null || fail "predictions of $file"
done
cmp -s eval.t eval.t.csv || fail "measures differ"
cmp -s p.t p.t.csv || fail "predictions differ"
"$bramble" inspect t --json --quiet | grep -q '"name":"zip","type":"category"' || fail "inspect of a folder"

expect() { # code, part of the message, arguments
  local code=$1 part=$2 message
  shift 2
  message=$("$bramble" "$@" --quiet 2>&1 >/dev/null </dev/null)
  [ $? = "$code" ] || fail "$* does not end with $code: $message"
  case $message in *"$part"*) ;; *) fail "$* says: $message" ;; esac
}
echo mine > taken
# nothing that is there already goes: the table itself, or a file of the folder's name
expect 2 "is a file where a folder was to be made" data pack t.csv taken
expect 2 "is the table that is read" data pack t.csv t.csv
expect 2 "is the table that is read" data pack t ./t
[ -s t.csv ] && [ "$(cat taken)" = mine ] && [ -s t/schema.json ] || fail "packing took away what was there"
expect 3 "did you mean kind?" train tree --data t --target kin
expect 3 "the column zip is packed as a category; pack the file again with --types zip=number" train tree --data t --target kind --types zip=number
cp -r t short && truncate -s -8 short/column-0001.npy
expect 3 "short/column-0001.npy" train tree --data short --target y
cp -r t gone && rm gone/column-0002.npy
expect 3 "gone/column-0002.npy: cannot be read" train tree --data gone --target y
cp -r t other && cp other/column-0001.npy other/column-0004.npy
expect 3 "pack the table again" train tree --data other --target y
cp -r t codes && printf '\377\377\0\0' | dd of=codes/column-0004.npy bs=1 seek=128 conv=notrunc 2> /dev/null
expect 3 "codes that are no categories" train tree --data codes --target y
for change in 's/"rows": 12000/"rows": 12001/' 's/"format": "bramble.columns.1"/"format": "x"/' 's/"type": "number"/"type": "n"/' 's/column-0001.npy/..\/t.csv/' 's/{/[/'; do
  rm -rf damaged && cp -r t damaged && sed -i "$change" damaged/schema.json
  expect 3 "damaged/" train tree --data damaged --target y
done
rm t/schema.json # as if the packing had been cut short
expect 3 "is a folder" train tree --data t --target y
exit $bad
