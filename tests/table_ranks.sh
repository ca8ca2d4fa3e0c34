#!/usr/bin/env bash
# Tables on any number of ranks and threads: the same model files, the same measures, the same predictions, byte for byte.
. "$(dirname "$0")/table_lib.bash"

# 20,000 rows with quoted line breaks, missing values and categories; awk's own generator is seeded and only makes text. Several slices of the file.
awk 'BEGIN { srand(7); print "a,b,kind,note,y,class";
  for (i = 0; i < 20000; i++) {
    a = int(rand() * 1000) / 10; b = int(rand() * 5000); k = substr("redgreenblue", 1 + 3 * (i % 3), 3 + (i % 3 > 0));
    printf "%s,%d,%s,\"line one\n%s, \"\"two\"\"\",%.2f,c%d\n", (i % 17 ? a : ""), b, k, i % 5, 3 * a - b / 100 + rand(), int((a + b / 50 + 30 * rand()) / 20) } }' > t.csv

for place in $(places 1,1 1,3 2,2 3,1 5,1); do
  n=${place%,*} threads=${place#*,}
  on_ranks $n train linear --data t.csv --target y --features a,b,kind --split 0.7 --threads $threads --out l.safetensors --json --quiet > linear.$n.$threads || fail "linear on $n ranks"
  on_ranks $n train tree --data t.csv --target class --features a,b,kind --criterion entropy --split 0.7 --threads $threads --out t.safetensors --json --quiet > tree.$n.$threads || fail "tree on $n ranks"
  on_ranks $n train boost --data t.csv --target class --features a,b,kind --trees 8 --max-leaves 12 --sample-rows 0.8 --sample-columns 0.7 --split 0.7 --threads $threads --out b.safetensors --json --quiet > boost.$n.$threads || fail "boost on $n ranks"
  on_ranks $n train boost --data t.csv --target y --features a,b,kind --trees 30 --max-depth 4 --lr 0.5 --patience 3 --split 0.7 --threads $threads --out n.safetensors --json --quiet > stop.$n.$threads || fail "boost with early stopping on $n ranks"
  on_ranks $n train forest --data t.csv --target class --features a,b,kind --trees 7 --max-depth 8 --split 0.7 --threads $threads --out f.safetensors --json --quiet > forest.$n.$threads || fail "forest on $n ranks"
  on_ranks $n train forest --data t.csv --target y --features a,b,kind --trees 4 --extra --max-depth 6 --threads $threads --out e.safetensors --json --quiet > extra.$n.$threads || fail "extra trees on $n ranks"
  on_ranks $n train logistic --data t.csv --target class --features a,b,kind --threads $threads --out g.safetensors --json --quiet > logistic.$n.$threads || fail "logistic on $n ranks"
  on_ranks $n train kmeans --data t.csv --features a,b,y --clusters 7 --iterations 15 --threads $threads --out k.safetensors --json --quiet > kmeans.$n.$threads || fail "k-means on $n ranks"
  on_ranks $n train bayes --data t.csv --target class --features a,b,kind --split 0.7 --threads $threads --out c.safetensors --json --quiet > bayes.$n.$threads || fail "Bayes on $n ranks"
  on_ranks $n train mlp --data t.csv --target class --features a,b,kind --hidden 16,8 --epochs 2 --lr 0.01 --batch 250 --micro-batch 50 --split 0.7 --threads $threads --out n.safetensors --json --quiet | tail -n 1 | sed 's/.*"out"/"out"/' > mlp.$n.$threads || fail "mlp on $n ranks"
  on_ranks $n train mlp --data t.csv --target y --features a,b,kind --hidden 16 --epochs 3 --lr 0.01 --batch 250 --micro-batch 50 --split 0.7 --keep best --threads $threads --out r.safetensors --json --quiet | tail -n 1 | sed 's/.*"out"/"out"/' > mlpnumber.$n.$threads || fail "mlp of a number on $n ranks"
  on_ranks $n eval n.safetensors --data t.csv --threads $threads --json --quiet > evalmlp.$n.$threads || fail "eval of an mlp on $n ranks"
  on_ranks $n predict n.safetensors --data t.csv --threads $threads --out q.csv --json --quiet > predictmlp.$n.$threads || fail "predict by an mlp on $n ranks"
  on_ranks $n train linear --data t.csv --target y --features c,kind,b --let 'c=a/2-b*0.001' --where "kind != 'red' or a > 20 and not a is missing" --missing median --split 0.8 --threads $threads --out w.safetensors --json --quiet > prepared.$n.$threads || fail "linear on prepared rows on $n ranks"
  on_ranks $n train tree --data t.csv --target class --features a,b,kind --max-depth 6 --missing mode --folds 3 --stratify --threads $threads --out v.safetensors --json --quiet > folds.$n.$threads || fail "folds on $n ranks"
  on_ranks $n eval w.safetensors --data t.csv --where 'b < 2500' --threads $threads --json --quiet > evalwhere.$n.$threads || fail "eval of some rows on $n ranks"
  on_ranks $n predict t.safetensors --data t.csv --probabilities --threads $threads --out p.csv --json --quiet > predict.$n.$threads || fail "predict on $n ranks"
  on_ranks $n eval l.safetensors --data t.csv --threads $threads --json --quiet > eval.$n.$threads || fail "eval on $n ranks"
  on_ranks $n inspect t.csv --threads $threads --json --quiet > inspect.$n.$threads || fail "inspect on $n ranks"
  for what in linear logistic tree forest extra boost stop kmeans bayes prepared folds evalwhere mlp mlpnumber evalmlp predictmlp predict eval inspect; do cmp -s $what.1.1 $what.$n.$threads || fail "$what differs on $n ranks, $threads threads"; done
  [ -f p.first ] || cp p.csv p.first
  [ -f q.first ] || cp q.csv q.first
  cmp -s q.first q.csv || fail "predictions of an mlp differ on $n ranks, $threads threads"
  cmp -s p.first p.csv || fail "predictions differ on $n ranks, $threads threads"
done
[ "$(wc -l < p.first)" = 20001 ] || fail "predictions are not one a row"
grep -q '"test":{"rows":[0-9]*,"accuracy":0.[3-9]' mlp.1.1 || fail "an mlp learns nothing: $(cat mlp.1.1)"
grep -q '"test":{"rows":[0-9]*,"r2":0.9' mlpnumber.1.1 || fail "an mlp learns nothing of a number: $(cat mlpnumber.1.1)"
awk 'BEGIN { srand(4); for (i = 0; i < 60000; i++) { a = int(rand() * 400); printf "%d 1:%d 7:%d\n", (a > 200), rand() * 90, a } }' > t.svm
for n in 1 3; do
  [ $n = 1 ] || command -v mpiexec >/dev/null || continue
  on_ranks $n train tree --data t.svm --target label --types label=category --max-depth 5 --out s.safetensors --json --quiet > svm.$n || fail "a tree of LIBSVM text on $n ranks"
  cmp -s svm.1 svm.$n || fail "a tree of LIBSVM text differs on $n ranks"
done
gzip -k t.csv
on_ranks 1 train tree --data t.csv.gz --target class --features a,b,kind --criterion entropy --split 0.7 --out t.safetensors --json --quiet | cmp -s - tree.1.1 || fail "the compressed file gives another tree"
exit $bad
