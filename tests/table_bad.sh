#!/usr/bin/env bash
# Bad tables: each kind gives one line that names the place, its exit code, and leaves no file; what is only doubtful is said, and counted.
. "$(dirname "$0")/table_lib.bash"
expect() { # code, part of the message, arguments
  local code=$1 part=$2 message out='--out x.safetensors'
  shift 2
  case " $* " in *' --row '*) out= ;; esac # that is printed
  message=$(timeout 60 "$bramble" "$@" $out 2>&1 >/dev/null </dev/null)
  local got=$?
  [ $got = "$code" ] || fail "exit code $got for $*, not $code: $message"
  case $message in *"$part"*) ;; *) fail "$* says: $message" ;; esac
  [ "$code" = 0 ] || [ "$(printf '%s\n' "$message" | wc -l)" = 1 ] || fail "$* says more than one line: $message"
  [ "$code" = 0 ] || [ -z "$(find . -name 'x.safetensors*')" ] || fail "$* leaves a file"
  rm -f x.safetensors*
}
table() { printf '%b' "$2" > "$1.csv"; }

# the file
: > empty.csv
table header 'a,y\n'
table open 'a,y\n1,2\n1,"2\n'
table long 'a,y\n1,2\n1,2,3\n2,5\n2\n4,4\n'
table twice 'a,y,a\n1,2,3\n'
table text 'a,y\n1,2\n2,3\nx,4\n'
printf '\xff\xfea\0' > utf16.csv
mkdir dir
expect 3 "is empty" train linear --data empty.csv --target y
expect 3 "has a header and no rows" train linear --data header.csv --target y
expect 3 "open.csv: row 2 a quote is opened and never closed" train linear --data open.csv --target y
expect 3 "long.csv: row 2 has 3 fields where 2 are expected" train linear --data long.csv --target y
expect 3 "columns 1 and 3 are both called a" train linear --data twice.csv --target y
expect 3 "text.csv: row 3 column a: 'x' is no number" train linear --data text.csv --target y --types a=number
expect 3 "is UTF-16" train linear --data utf16.csv --target y
expect 3 "is a folder" train linear --data dir --target y
expect 3 "none.csv: cannot be read" train linear --data none.csv --target y
# what a kind would pass over
table plain 'a,y\n1,2\n2,3\n3,5\n4,4\n'
expect 2 "--l2: is not for training linear" train linear --data plain.csv --target y --l2 1
expect 2 "--trees: is not for training tree" train tree --data plain.csv --target y --trees 100
expect 2 "--limit: is not for training forest" train forest --data plain.csv --target y --limit 1
expect 2 "--ridge: is not for training mlp" train mlp --data plain.csv --target y --ridge 1
expect 2 "--patience watches rows that are not learned from" train boost --data plain.csv --target y --patience 3
# memory, in the units it was given in, and of the rank it was given to
"$bramble" data make sdss --rows 20000 --seed 1 --out rows.csv > /dev/null || fail "data make"
for kind in tree forest boost; do expect 5 "and 2.0 MB are allowed" train $kind --data rows.csv --target class --memory 2MB; done
expect 5 "and 1.0 MB are allowed" train kmeans --data rows.csv --features u,g,r,i,z,redshift --memory 1MB
few=$(timeout 60 mpiexec -n 2 "$bramble" train tree --data rows.csv --target class --memory 1GB,3MB 2>&1 > /dev/null)
[ $? = 5 ] && [[ $few = *"rank 1 "*"3.0 MB are allowed"* ]] || fail "memory of two ranks: $few"
expect 2 "--where: is for tables, and lenet" train lenet --where 'y > 1'
expect 2 "--folds 5: there are 4 rows" train linear --data plain.csv --target y --folds 5
expect 3 "no file has such a name" train linear --data 'none-*.csv' --target y
[ "$("$bramble" train linear --data long.csv --target y --bad-rows skip --json --quiet | grep -o '"bad_rows":2.*"rows":3')" ] || fail "rows that are skipped are not counted"
cp text.csv closed.csv && chmod 0 closed.csv
if [ "$(id -u)" != 0 ]; then
  expect 3 "closed.csv: cannot be read: Permission denied" train tree --data closed.csv --target y
elif command -v setpriv >/dev/null && chmod 755 . && setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$bramble"; then
  setpriv --reuid=65534 --regid=65534 --clear-groups "$bramble" inspect closed.csv >/dev/null 2>why
  [ $? = 3 ] && grep -q "closed.csv: cannot be read: Permission denied" why || fail "no permission: $(cat why)"
else
  echo "root may read everything: no permission is not tried"
fi
mkfifo pipe
for command in "$bramble" "mpiexec -n 2 $bramble"; do
  command -v ${command%% *} >/dev/null || continue
  cat long.csv > pipe & writer=$!
  timeout 60 $command train linear --data pipe --target y --bad-rows skip --json --quiet > piped 2> why </dev/null; code=$?
  if [ "$command" = "$bramble" ]; then
    grep -q '"rows":3' piped || fail "a pipe is not read: $(cat why)"
  else
    [ $code = 3 ] && grep -q "is a pipe, which only one rank can read" why || fail "a pipe on two ranks: $code $(cat why)"
    kill $writer
  fi
  wait $writer 2>/dev/null
done

# columns and rows
table small 'a,b,y,k\n1,2,3,u\n2,2,5,v\n3,1,8,u\n4,,9,v\n5,3,2,u\n'
table lacking 'a,y\n1,\n2,\n'
table constant 'a,y\n1,5\n2,5\n3,5\n'
table one 'a,k\n1,u\n2,u\n3,u\n'
table infinite 'a,y\n1,2\ninf,3\n4,5\n5,9\n6,1\n'
table copy 'a,z,y\n1,2,2\n2,3,3\n4,5,5\n5,9,9\n'
table rare 'a,k\n1,u\n2,v\n3,u\n4,v\n5,u\n6,v\n7,w\n'
expect 3 "there is no column c; did you mean a?" train linear --data small.csv --target c
expect 3 "there is no column kk; did you mean k?" train tree --data small.csv --target y --features a,kk
expect 2 "y is the target and among the features" train tree --data small.csv --target y --features a,y
expect 2 "the feature a is named twice" train tree --data small.csv --target y --features a,a
expect 3 "there is no column q" train tree --data small.csv --target y --types q=number
expect 2 "is no type" train tree --data small.csv --target y --types a=text
expect 3 "no row is left to train on: 2 of 2 lack a value of y" train tree --data lacking.csv --target y
expect 3 "no row is left to train on: --where leaves out 5 of 5" train tree --data small.csv --target y --where 'a > 100'
expect 2 '"a > 1 adn b = 2", column 7: was not expected here' train tree --data small.csv --target y --where 'a > 1 adn b = 2'
expect 2 "column 9: there is no column bb; did you mean b?" train tree --data small.csv --target y --features a --where 'a > 1 + bb'
expect 2 "the table has a column a already" train tree --data small.csv --target y --let a=1
expect 2 "name=formula was expected" train tree --data small.csv --target y --let age
expect 3 "row 1 column a: '1' is no date of the form %d/%m/%Y" train tree --data small.csv --target y --date 'a=%d/%m/%Y'
expect 2 "has %Q, which is not known" train tree --data small.csv --target y --date 'a=%Q'
expect 2 "a linear model cannot use missing values" train linear --data small.csv --target y --missing keep
expect 2 "choose one" train tree --data small.csv --target y --missing mean --drop-missing
expect 2 "leave out --split" train tree --data small.csv --target y --folds 3 --split 0.5
expect 2 "the target y is a number" train tree --data small.csv --target y --folds 3 --stratify
for kind in linear tree forest boost mlp; do
  expect 3 "the target y is the same in all 3 training rows" train $kind --data constant.csv --target y
done
for kind in logistic tree forest boost bayes mlp; do
  expect 3 "the target k has one class only in the training rows, u" train $kind --data one.csv --target k
done
for kind in linear mlp; do
  "$bramble" train $kind --data infinite.csv --target y 2>&1 >/dev/null | tail -n 1 | grep -q "column a holds infinite" || fail "$kind takes infinite values"
done
expect 0 "the feature a is infinite in 1 row" train tree --data infinite.csv --target y
expect 0 "the feature z is equal to the target y in every row" train tree --data copy.csv --target y
for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do
  "$bramble" train tree --data rare.csv --target k --split 0.6 --seed $seed 2> said >/dev/null || { grep -q "one class only" said || fail "seed $seed: $(cat said)"; }
  grep -q "1 class of k, such as w, is in the test part only" said && break
done
grep -q "is in the test part only: its 1 rows will count as wrong" said || fail "a class that is in the test part only is not said"

# too many classes
awk 'BEGIN { print "a,k"; for (i = 0; i < 1000001; i++) print i ",c" i }' > classes.csv
expect 3 "the target k has more than 1000000 different texts; no model can learn so many classes" train tree --data classes.csv --target k
rm classes.csv
awk 'BEGIN { print "a,k"; for (i = 0; i < 70000; i++) print i ",c" i }' > classes.csv
for kind in tree forest boost logistic bayes mlp; do
  expect 3 "the target k has 70000 classes, and models tell at most 65535 apart" train $kind --data classes.csv --target k
done

# a model and the data it is used on
"$bramble" train tree --data small.csv --target y --features a,b --out m.safetensors --quiet >/dev/null || fail "a tree"
table other 'c,y\n1,2\n'
table words 'a,b,y\nx,1,2\n'
expect 3 "the data lacks columns the model needs: a, b" predict m.safetensors --data other.csv
expect 3 "row 1 column a: 'x' is no number" predict m.safetensors --data words.csv
"$bramble" eval m.safetensors --data other.csv --quiet 2>&1 | grep -q "the data lacks columns the model needs: a, b" || fail "eval of other columns"
table target 'a,b\n1,2\n'
"$bramble" eval m.safetensors --data target.csv --quiet 2>&1 | grep -q "lacks the column y that the model predicts" || fail "eval without a target"
expect 2 "the model has no column aa; did you mean a?" predict m.safetensors --row aa=1
expect 2 "lasso is no kind of model for tables; there are linear" train lasso --data small.csv --target y
table odd 'a,y\n1,2\n2,five\n3,4\n5,1\n'
expect 3 "the target y is a category, as row 2 has 'five'" train linear --data odd.csv --target y

# rows without an answer: said, and a field each in the file
"$bramble" train linear --data small.csv --target y --features a,b --drop-missing --out l.safetensors --quiet >/dev/null || fail "a line"
"$bramble" train logistic --data small.csv --target k --features a,b --drop-missing --out g.safetensors --quiet >/dev/null || fail "a logistic model"
expect 0 "the row lacks b, without which a linear model has no answer" predict l.safetensors --row a=1
table holes 'a,b\n1,2\n,2\n2,1\n'
"$bramble" predict l.safetensors --data holes.csv --out lines.csv --json 2> why | grep -q '"unanswered":1' && grep -q "no answer for 1 of 3 rows" why || fail "a row without an answer: $(cat why)"
[ "$(sed -n 3p lines.csv)" = NaN ] || fail "a row without a number: $(cat lines.csv)"
"$bramble" predict g.safetensors --data holes.csv --probabilities --out lines.csv --quiet > /dev/null || fail "predictions of classes"
[ "$(sed -n 3p lines.csv)" = ,,, ] || fail "a row without a class: $(cat lines.csv)"

# a table that cannot be packed leaves nothing
mkdir full && ln -s /dev/full full/column-0002.npy && "$bramble" data pack small.csv full > /dev/null 2>&1 && fail "a full disk is not noticed while packing"
[ -e full ] && fail "a failed pack leaves $(ls -A full)"
if [ -c /dev/full ]; then
  "$bramble" predict m.safetensors --data small.csv --out /dev/full --quiet > /dev/null 2> why && fail "a full disk is not noticed"
  grep -q "/dev/full: writing failed: No space left" why || fail "a full disk says: $(cat why)"
  [ -c /dev/full ] || fail "a device was replaced by a file"
  "$bramble" predict m.safetensors --data small.csv --out /dev/stdout --quiet | grep -q '^prediction$' || fail "predictions do not go to a pipe"
fi
"$bramble" predict m.safetensors --data small.csv --out no/such/p.csv > /dev/null 2> why; [ $? = 2 ] && grep -q "no/such/p.csv: cannot be written" why || fail "a folder that is not there: $(cat why)"

# what inspect says: dates as dates, first rows, suggestions
printf 'id,when,n,c,v\n' > look.csv
awk 'BEGIN { for (i = 0; i < 30; i++) printf "k%d,2018-06-%02d 17:05:00,%s,7,%s\n", i, 1 + i % 28, (i == 4 ? "1_000" : i / 2), (i % 9 ? i * 1.5 : "") }' >> look.csv
"$bramble" inspect look.csv > look || fail "inspect"
for part in "look.csv: 30 rows, 5 columns, separator comma, with a header" "^when  *date  *0  *28  *2018-06-01 17:05:00  *2018-06-28 17:05:00" "^k0  *2018-06-01 17:05:00  *0  *7  *-" "^id differs in nearly every row" \
  "^when is a date: --date when" "^n is a category because of '1_000' in row 5" "^c has one value only" "^v is missing in 4 rows: --missing median"; do
  grep -q -e "$part" look || fail "inspect does not say '$part': $(cat look)"
done
"$bramble" train linear --data look.csv --target v --features c,when,id --ridge 1 --date when --out look.safetensors --quiet >/dev/null 2>&1 || fail "training on parts of dates"
"$bramble" predict look.safetensors --row id=k99,c=7,when=2018-06-03 --json | grep -q '"unknown_categories":1' || fail "an unknown category is not said of one row"
exit $bad
