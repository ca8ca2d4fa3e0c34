#!/usr/bin/env bash
# What models of tables may be asked beside their plain training (losses, constraints, pruning, explanations), on any number of ranks and threads: the same
# bytes.
. "$(dirname "$0")/table_lib.bash"

awk 'BEGIN { srand(9); print "a,b,kind,y,class";
  for (i = 0; i < 12000; i++) {
    a = int(rand() * 1000) / 10; b = int(rand() * 5000); k = substr("redgreenblue", 1 + 3 * (i % 3), 3 + (i % 3 > 0));
    printf "%s,%d,%s,%.2f,c%d\n", (i % 17 ? a : ""), b, k, 3 * a + b / 100 + rand(), int((a + b / 50 + 30 * rand()) / 40) } }' > t.csv

run() { # name, arguments of train
  local name=$1
  shift
  on_ranks $n train "$@" --data t.csv --threads $threads --out m.safetensors --json --quiet >"$name.now" || fail "$name on $n ranks"
  [ -f "$name.first" ] || cp "$name.now" "$name.first"
  cmp -s "$name.first" "$name.now" || fail "$name differs on $n ranks, $threads threads"
}
for place in $(places 1,1 1,3 2,2 3,1); do
  n=${place%,*} threads=${place#*,}
  run quantile boost --target y --trees 5 --loss quantile --quantile 0.8 --bins 1000 --validation 0.2 --patience 2
  run poisson boost --target y --trees 5 --loss poisson --max-leaves 9
  run weights boost --target class --features a,b --trees 4 --class-weights balanced --l1 1 --monotone a=1
  run pruned tree --target class --max-leaves 40 --prune 0.002
  run permuted forest --target class --trees 5 --max-depth 6 --split 0.6 --permutation 2
  run logistic logistic --target class --features b,kind --l1 20
  run boost boost --target class --features a,b --trees 3
  on_ranks $n predict m.safetensors --data t.csv --explain --threads $threads --out why.csv --quiet >/dev/null || fail "explanations on $n ranks"
  [ -f why.first ] || cp why.csv why.first
  cmp -s why.first why.csv || fail "explanations differ on $n ranks, $threads threads"
done
[ "$(head -n 1 why.first)" = "prediction,probability,base,a,b" ] || fail "explanations begin with $(head -n 1 why.first)"
exit $bad
