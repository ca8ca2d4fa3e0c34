#!/usr/bin/env bash
# Every kind of model on 4 and 7 ranks, more than the file has slices, so that some ranks hold no rows: the bytes of one rank. (table_ranks.sh goes through what
# there is beside the models, on fewer ranks.) Small models: seven ranks on two cores spend their time waiting for each other.
. "$(dirname "$0")/table_lib.bash"
command -v mpiexec >/dev/null || { echo "skipped: there is no mpiexec"; exit 77; }

awk 'BEGIN { srand(11); print "a,b,kind,y,class";
  for (i = 0; i < 24000; i++) {
    a = int(rand() * 1000) / 10; b = int(rand() * 5000); k = substr("redgreenblue", 1 + 3 * (i % 3), 3 + (i % 3 > 0));
    printf "%s,%d,%s,%.6f,c%d\n", (i % 17 ? a : ""), b, k, 3 * a - b / 100 + rand(), int((a + b / 50 + 30 * rand()) / 80) } }' > t.csv

for n in 1 4 7; do
  for kind in "linear --target y" "logistic --target class" "tree --target class --max-depth 4" "forest --target class --trees 2 --max-depth 3 --permutation 1" "boost --target y --trees 2 --max-depth 3" \
    "mlp --target class --hidden 8 --epochs 1 --batch 4000 --micro-batch 500" "kmeans --clusters 3 --iterations 3" "bayes --target class"; do
    name=${kind%% *} features=a,b,kind split="--split 0.8"
    [ $name = kmeans ] && features=a,b
    [ $name = forest ] && split= # so that permutations are out of bag
    on_ranks $n train $kind --data t.csv --features $features $split --seed 2 --threads 1 --out $name.$n --json --quiet > said || fail "$name on $n ranks"
    cmp -s $name.1 $name.$n || fail "$name on $n ranks differs from one rank's"
    [ $name = forest ] && sed 's/"file":"[^"]*"//' said > forest.said.$n
  done
done
for n in 4 7; do cmp -s forest.said.1 forest.said.$n || fail "what is out of bag on $n ranks differs from one rank's"; done
exit $bad
