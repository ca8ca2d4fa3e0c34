# Predictions over a data set: the file of answers has the same bytes on 1, 2, 3, 5 and 7 ranks and any threads; every sample is in it once, in order. With the
# shared data: ONNX straight to top-1 on real photos.
build=$(cd "$1" && pwd)
bramble=$build/bramble
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*"; exit 1; }
grep -q MPI_C_FOUND "$build/CMakeCache.txt" 2>/dev/null || command -v mpiexec > /dev/null || { echo "skipped: no mpiexec"; exit 77; }

"$bramble" train lenet --data shapes:64,101 --epochs 1 --quiet --out m.safetensors > train.log 2>&1 || { cat train.log; fail "training"; }
"$bramble" predict m.safetensors --data shapes:64,101 --part test --runs 2 --threads 2 --out 1.csv > 1.log 2>&1 || { cat 1.log; fail "predict on one rank"; }
[ "$(wc -l < 1.csv)" = 102 ] || fail "101 rows and a head were expected, $(wc -l < 1.csv) lines came"
tail -n +2 1.csv | cut -d, -f1 | diff -q - <(seq 0 100) > /dev/null || fail "samples are not in order"
grep -q "top-1" 1.log || fail "no accuracy: $(cat 1.log)"
for ranks in 2 3 5 7; do
  mpiexec -n $ranks "$bramble" predict m.safetensors --data shapes:64,101 --part test --threads 1 --out $ranks.csv > $ranks.log 2>&1 || { cat $ranks.log; fail "predict on $ranks ranks"; }
  cmp 1.csv $ranks.csv || fail "$ranks ranks give other bytes"
done

for ranks in 2 3 5; do # one net in stages over the ranks
  mpiexec -n $ranks "$bramble" predict m.safetensors --data shapes:64,101 --part test --stages auto --threads 1 --out s.csv > s.log 2>&1 || { cat s.log; fail "$ranks stages"; }
  cmp 1.csv s.csv || fail "$ranks stages give other bytes"
done
kill_writer() { # the rank that writes this journal
  for pid in $(pgrep -f "^$bramble predict .*--out ${1%.part.*}"); do
    ls -l "/proc/$pid/fd" 2> /dev/null | grep -q "$1$" && kill -KILL "$pid"
  done
}
# Cut short by kill -9, gone on with on other ranks: the same bytes, and nothing is answered twice.
many="predict m.safetensors --data shapes:64,40000 --part test"
"$bramble" $many --out many.csv > many.log 2>&1 || { cat many.log; fail "40000 samples"; }
ls many.csv.part.* 2> /dev/null && fail "a finished run left its journal"
"$bramble" $many --threads 1 --out cut.csv > cut.log 2>&1 & pid=$!
for i in $(seq 600); do [ "$(stat -c %s cut.csv.part.0 2> /dev/null || echo 0)" -gt 20000 ] && break; sleep 0.02; done
kill -KILL $pid && wait $pid 2> /dev/null
[ ! -e cut.csv ] && [ -s cut.csv.part.0 ] || fail "the run was over before it was killed, or left no journal"
printf 'torn' >> cut.csv.part.0
cp cut.csv.part.0 other.csv.part.7
mpiexec -n 3 "$bramble" $many --threads 1 --resume --out cut.csv > cut.log 2>&1 || { cat cut.log; fail "going on"; }
grep -qE "cut.csv: [1-9][0-9]* of 10000 chunks were answered before" cut.log || fail "what was there was not used: $(cat cut.log)"
cmp many.csv cut.csv || fail "a run that was cut short and gone on with gives other bytes"
ls cut.csv.part.* 2> /dev/null && fail "a journal is left"
# The same with stages: cut short on two, gone on with on three, and then on one rank without.
mpiexec -n 2 "$bramble" $many --threads 1 --stages auto --out piped.csv > piped.log 2>&1 & launcher=$!
for i in $(seq 600); do [ "$(stat -c %s piped.csv.part.1 2> /dev/null || echo 0)" -gt 20000 ] && break; sleep 0.02; done
kill_writer piped.csv.part.1
wait $launcher 2> /dev/null
[ ! -e piped.csv ] && [ -s piped.csv.part.1 ] || fail "the stages were over before they were killed, or left no journal: $(cat piped.log)"
mkdir alone && cp piped.csv.part.1 alone/piped.csv.part.0
mpiexec -n 3 "$bramble" $many --threads 1 --stages auto --resume --out piped.csv > piped.log 2>&1 || { cat piped.log; fail "going on in stages"; }
grep -qE "piped.csv: [1-9][0-9]* of 10000 chunks were answered before" piped.log || fail "what the stages had answered was not used: $(cat piped.log)"
cmp many.csv piped.csv || fail "stages that were cut short and gone on with give other bytes"
ls piped.csv.part.* 2> /dev/null && fail "a journal of stages is left"
"$bramble" $many --resume --out alone/piped.csv > piped.log 2>&1 && grep -qE "piped.csv: [1-9][0-9]* of 10000 chunks" piped.log && cmp many.csv alone/piped.csv || fail "what stages have answered was not gone on with by one rank: $(cat piped.log)"
"$bramble" $many --limit 30000 --resume --out other.csv > other.log 2>&1 || { cat other.log; fail "a journal of other data"; }
grep -q "other.csv: 0 of" other.log && grep -q "are not of this model" other.log || fail "a journal of other data was used: $(cat other.log)"
"$bramble" $many --resume > wrong.log 2>&1 && fail "--resume without --out was taken"

# One of three ranks is killed: the run ends, with a line that names it, and is gone on with.
mpiexec -n 3 "$bramble" $many --limit 0 --threads 1 --out dead.csv > dead.log 2>&1 & launcher=$!
for i in $(seq 600); do [ -s dead.csv.part.2 ] && break; sleep 0.02; done
kill_writer dead.csv.part.1
wait $launcher 2> /dev/null
code=$?
[ $code != 0 ] && grep -q "rank 1 (.*) was ended by signal 9 .*--resume" dead.log || fail "a killed rank was not named (exit code $code): $(cat dead.log)"
mpiexec -n 2 "$bramble" $many --threads 1 --resume --out dead.csv > dead.log 2>&1 || { cat dead.log; fail "going on without the dead rank"; }
cmp many.csv dead.csv || fail "a run whose rank was killed and gone on with gives other bytes"

"$bramble" plan predict m.safetensors --nodes 2 --memory 25MB > plan.log 2>&1
[ $? = 5 ] && [ "$(wc -l < plan.log)" = 1 ] || fail "a net that does not fit: exit 5 and one line were expected: $(cat plan.log)"
"$bramble" plan predict inceptionv3 --nodes 3 --memory 250MB | grep -q "^node 2: .* to fc" || fail "the plan of a net of the zoo"
"$bramble" plan predict m.safetensors --nodes 2 --memory 100MB --json | grep -q '"stages"' || fail "plan"
mpiexec -n 2 "$bramble" predict m.safetensors --data shapes:64,101 --stages 3 > s.log 2>&1 && fail "3 stages on 2 ranks were taken"

# One picture goes into the net as a data set's do, and comes out as it does there.
"$bramble" data show shapes 7 --out one.png > one.log 2>&1 || { cat one.log; fail "a picture"; }
mkdir -p photos/a && cp one.png photos/a && cp one.png "with, comma.png"
for resize in "" "--resize-shorter 40"; do
  "$bramble" predict m.safetensors --data folder:photos $resize --out one.csv > one.log 2>&1 || { cat one.log; fail "a folder of one picture"; }
  alone=$("$bramble" predict m.safetensors "with, comma.png" $resize --top 1 --json | sed -E 's/.*"label":([0-9]+).*"probability":([0-9.e-]+).*/\1 \2/')
  tail -n 1 one.csv | awk -F, -v alone="$alone" '{ split(alone, a, " "); exit !($3 == a[1] && $5 - a[2] < 1e-6 && a[2] - $5 < 1e-6) }' || fail "one picture: $alone, in a data set: $(tail -n 1 one.csv)"
done

"$bramble" predict m.safetensors --data shapes:64,101 --input 3 2> wrong.log && fail "--input without --output was taken"
[ "$(wc -l < wrong.log)" = 1 ] || fail "wrong usage is one line"

shared=${BRAMBLE_SHARED:-$build/../../shared}/data
if [ ! -r "$shared/models/mobilenet_v3_small.onnx" ] || ! "$bramble" help import > /dev/null 2>&1; then
  echo "skipped: real photos ($shared is missing)"
  exit 0
fi
"$bramble" predict "$shared/models/mobilenet_v2_1.0_224.onnx" "$shared/imagenet/photos/one_per_class/n01440764_tench.JPEG" --input 224 --classes "$shared/imagenet/synset_words_1000.txt" --mean 0.5 --std 0.5 --top 1 > tench.log 2>&1
grep -q "tench$" tench.log || fail "a photo straight from an ONNX file: $(cat tench.log)"
"$bramble" import "$shared/models/mobilenet_v3_small.onnx" --input 224 --classes "$shared/imagenet/synset_words_1000.txt" --mean 0 --std 0.003921568859368563 --out v3.safetensors > import.log 2>&1 || { cat import.log; fail "import"; }
"$bramble" predict v3.safetensors --data "folder:$shared/imagenet/photos/val" --json > v3.json 2> v3.log || { cat v3.log; fail "predict on photos"; }
grep -o '"top1":[0-9.]*' v3.json | awk -F: '{ exit !($2 > 0.592 && $2 < 0.632) }' || fail "top-1 is not the published 61.2 %: $(cat v3.json)"
