#!/usr/bin/env bash
# Bad input to a training: the exit code, one line that names the thing and the mend, nothing half-written. And how a run is stopped, gone on with, and judged.
build=$(cd "$1" && pwd)
bramble=$build/bramble
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0
fail() {
  echo "FAIL: $*"
  failures=$((failures + 1))
}
# expect CODE PATTERN COMMAND...: the exit code; one line on stderr that starts with "bramble: " if it is not 0; output that matches.
expect() {
  local code=$1 pattern=$2 got lines
  shift 2
  "$@" >out 2>err
  got=$?
  lines=$(grep -c '^bramble: ' err)
  if [ $got -ne "$code" ] || { [ "$code" -ne 0 ] && [ "$code" -ne 130 ] && [ "$lines" -ne 1 ]; } || ! cat out err | grep -qE -- "$pattern"; then
    fail "$* : code $got (wanted $code), wanted /$pattern/, got:"
    cat out err
  fi
}
quick="$bramble train lenet --quiet"
lenet="$quick --limit 200 --epochs 2"

# settings that do not fit each other
expect 2 'needs --workers' $lenet --sync weights
expect 2 '--workers 300: there are only 200' $lenet --sync fedavg --workers 300
expect 2 '--every belongs to --sync weights' $lenet --every 3
expect 2 '--prox belongs to --sync fedavg' $lenet --sync weights --workers 2 --prox 1
expect 2 '--workers belongs to --sync weights and fedavg' $lenet --workers 3
expect 2 '--every 0: a number of steps or the word epoch' $lenet --sync weights --workers 3 --every 0
expect 2 '--partition sorted: choose one of' $lenet --sync fedavg --workers 3 --partition sorted
expect 2 '--partition dirichlet:0' $lenet --sync fedavg --workers 3 --partition dirichlet:0
expect 2 '--fraction is above 0' $lenet --sync fedavg --workers 3 --fraction 0
expect 2 '--reduce float is for --sync gradients' $lenet --sync weights --workers 3 --reduce float
expect 2 '--reduce fixed32 is for --sync gradients' $lenet --sync weights --workers 3 --reduce fixed32
expect 2 '40 would fit|36 would fit' $lenet --batch 33 --micro-batch 12
expect 2 '--resume needs --out' $lenet --resume
expect 2 '--keep needs --out' $lenet --keep best
expect 2 '--eval-every 3days' $lenet --eval-every 3days
expect 2 '--checkpoint-every often' $lenet --checkpoint-every often
expect 2 '--class-weights 1,2: 2 numbers for 10 classes' $lenet --class-weights 1,2
expect 2 '--class-weights 1,x' $lenet --class-weights 1,x
expect 2 '--freeze xyz: fits no parameter' $lenet --freeze xyz
expect 2 'nothing is left to be trained' $lenet --freeze '*'
expect 2 '--balance 1,2: 2 numbers for 1 ranks' $lenet --balance 1,2
expect 2 'cannot be written' $lenet --out missing/m.st
expect 5 'needs [0-9.]+ MB and may take [0-9.]+ MB; --threads 1( --micro-batch [0-9]+)? fits' "$bramble" train mobilenetv2 --input 64 --limit 24 --batch 12 --micro-batch 12 --width 0.5 --threads 2 --memory 40MB
expect 5 'even --threads 1 --micro-batch 1 needs' $lenet --memory 1MB
expect 0 'together .* a rank' "$bramble" train lenet --limit 32 --epochs 1
expect 0 'activations' "$bramble" plan train lenet --limit 200
expect 0 '"total_bytes":' "$bramble" plan train lenet --limit 200 --json
expect 2 'plan takes train' "$bramble" plan lenet

# a run that diverges, in each way of synchronising; a disk that is full
expect 1 'gradient of [a-z0-9.]+ is .* epoch 1, step [0-9]+, unit|diverged' $lenet --lr 900
expect 1 'diverged' $lenet --lr 900 --sync weights --workers 3
expect 1 'diverged' $lenet --lr 900 --sync fedavg --workers 3
expect 1 'm.st.*: writing failed: File too large' bash -c "trap '' XFSZ; ulimit -f 100; exec $lenet --out m.st"
[ -z "$(ls | grep -v jsonl | grep m.st)" ] || fail "a full disk left $(ls m.st*)"
expect 1 'm.st.ckpt.*: writing failed: File too large' bash -c "trap '' XFSZ; ulimit -f 300; exec $lenet --out m.st --checkpoint-every 3"
[ -z "$(ls | grep -v jsonl | grep m.st)" ] || fail "a full disk left $(ls m.st*)"

# checkpoints: settings that differ, torn files, none
$lenet --out whole.st >/dev/null
$lenet --out run.st --checkpoint-every 4 --checkpoints 3 >/dev/null
[ "$(ls run.st.ckpt-* | wc -l)" = 3 ] || fail "not the last 3 checkpoints are kept: $(ls run.st*)"
expect 2 'run.st.ckpt-[0-9]+ has --lr 0.02, here it is 0.5; give the same' $lenet --out run.st --resume --lr 0.5
expect 2 'has --epochs 2, here it is 3' $quick --limit 200 --epochs 3 --out run.st --resume
expect 2 'has the data shapes, 200 samples.* here it is shapes, 190' $quick --limit 190 --epochs 2 --out run.st --resume
expect 2 'has no --freeze' $lenet --out run.st --resume --freeze 'conv1*'
expect 2 'has --sync gradients, here it is weights' $lenet --out run.st --resume --sync weights --workers 2
newest=$(ls -t run.st.ckpt-* | head -1)
rm run.st
size=$(stat -c %s "$newest")
truncate -s $((size / 2)) "$newest"
touch -d '+1 second' "$newest"
expect 0 'warning: .*the checkpoint before it is taken' "$bramble" train lenet --limit 200 --epochs 2 --out run.st --resume
cmp -s whole.st run.st || fail "going on behind a torn checkpoint gives another model"
for file in run.st.ckpt-*; do # one bit of the weights in the middle
  printf '\x55' | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
done
expect 0 'its content is not what was written; there is none before it' "$bramble" train lenet --limit 200 --epochs 2 --out run.st --resume
cmp -s whole.st run.st || fail "starting anew behind spoilt checkpoints gives another model"
expect 0 'there is no checkpoint new.st.ckpt-... to go on from' "$bramble" train lenet --limit 200 --epochs 2 --out new.st --resume

# a signal: the step is finished, a checkpoint written, no model; then it goes on to the same bytes
long="$bramble train lenet --limit 600 --epochs 40 --quiet"
$long --out long.st >/dev/null
$long --out cut.st >/dev/null 2>&1 &
pid=$!
for ((tries = 0; tries < 1000; tries++)); do # in the middle, however fast the machine: after the first epochs
  [ "$(wc -l 2>/dev/null <cut.st.jsonl)" -ge 3 ] 2>/dev/null && break
  sleep 0.01
done
kill -INT $pid
wait $pid
code=$?
[ $code = 130 ] || fail "SIGINT: code $code"
if [ $code = 130 ]; then
  [ ! -e cut.st ] || fail "a stopped run wrote its model"
  [ "$(ls cut.st.ckpt-* | wc -l)" = 1 ] || fail "a stopped run left no checkpoint"
  $long --resume --out cut.st >/dev/null
  cmp -s long.st cut.st || fail "a stopped run went on to another model"
  cmp -s <(sed 's/,"seconds.*//' long.st.jsonl | grep '^{"epoch') <(sed 's/,"seconds.*//' cut.st.jsonl | grep '^{"epoch') || fail "the log of the stopped run is another"
fi

# judged by its evaluations
expect 0 '"end":"accuracy".*"seconds_to_accuracy":[0-9]' $lenet --until-accuracy 0.05 --json
expect 0 '"end":"patience"' $quick --limit 100 --epochs 30 --lr 0 --patience 2 --json
expect 0 '"step":5,' $lenet --eval-every 5steps --json
[ "$(grep -c '"best"' out)" = 3 ] || fail "12 steps evaluated every 5 and at the end are 3 evaluations"
$quick --limit 200 --epochs 8 --lr 0.1 --keep best --out best.st --json >best.log
best=$(grep -o '"best_accuracy":[0-9.]*' best.log | cut -d: -f2)
kept=$("$bramble" eval best.st --limit 200 --json | grep -o '"samples":[0-9]*,"loss":[0-9.]*,"accuracy":[0-9.]*' | cut -d: -f4)
[ "$best" = "$kept" ] || fail "--keep best: the kept model has accuracy $kept, the best evaluation $best"
$lenet --keep all --out all.st >/dev/null
[ "$(ls all.step-*.st | wc -l)" = 2 ] || fail "--keep all: $(ls all*)"
cmp -s all.st "$(ls -t all.step-*.st | sort -V | tail -1)" || fail "--keep all: the last evaluated is not the last"

# going on from a model: frozen parameters keep their bits; another number of classes gets a new head
cp whole.st base.safetensors
cp whole.st whole.safetensors
expect 0 'sha256' "$bramble" train base.safetensors --limit 100 --epochs 1 --freeze '!fc3*' --out tuned.safetensors
for part in train test; do
  for class in a b; do
    mkdir -p folder/$part/$class
    for i in 1 2 3 4; do "$bramble" data show shapes $i --out folder/$part/$class/$i.png >/dev/null; done
  done
done
expect 0 'its last layer, fc3, starts anew' "$bramble" train base.safetensors --data folder:folder --batch 4 --micro-batch 4 --epochs 1 --out two.safetensors
expect 0 'starts anew' "$bramble" train base.safetensors --classes 12 --limit 32 --epochs 1
expect 2 'the data has 10 classes, the net has 3 outputs' "$bramble" train base.safetensors --classes 3 --limit 32 --epochs 1 --quiet
expect 0 'fc3 = dense relu4 out=2' "$bramble" inspect two.safetensors
expect 0 'sha256' "$bramble" train lenet --loss mse --limit 64 --epochs 1 --lr 0.01 --out mse.safetensors
expect 0 'loss = mse' "$bramble" inspect mse.safetensors
expect 2 'a model file keeps the loss' "$bramble" train mse.safetensors --loss mse --limit 64

# ranks that do not agree
command -v mpiexec >/dev/null || { echo "the rest is skipped: no mpiexec"; exit $((failures > 0)); }
mpiexec --version 2>&1 | grep -q 'Open MPI\|OpenRTE' && oversubscribe=--oversubscribe
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
two() { expect "$1" "$2" mpiexec -n 1 $oversubscribe $3 : -n 1 $4; }
two 2 'rank 1 .*the run on rank 0 has the data shapes, 200 samples.*here it is shapes, 190' "$lenet" "$quick --limit 190 --epochs 2"
two 2 'rank 1 .*the run on rank 0 has --lr 0.02, here it is 0.3; give every rank the same command' "$lenet" "$lenet --lr 0.3"
two 2 'rank 1 .*the run on rank 0 has --seed 1, here it is 4' "$lenet" "$lenet --seed 4"
two 2 'rank 1 .*the run on rank 0 has the start of the weights' "$bramble train whole.safetensors --quiet --limit 200 --epochs 2" "$bramble train tuned.safetensors --quiet --limit 200 --epochs 2"
# Ranks of one machine have their weights in common, so MPICH is told to take them for machines.
[ -n "$oversubscribe" ] && echo "skipped with Open MPI: a rank with bad memory" || expect 4 'rank 2 .*checksum of the weights' bash -c "MPIR_CVAR_NOLOCAL=1 mpiexec -n 3 $oversubscribe $build/test_train flip | sed 's/^rank/bramble: rank/' >&2; exit \${PIPESTATUS[0]}"
expect 0 '3 ranks share 2 units a step, so 1 of them idles;' mpiexec -n 3 $oversubscribe "$bramble" train lenet --limit 64 --epochs 1 --batch 32 --micro-batch 16
expect 1 'rank 0.*diverged|diverged' mpiexec -n 3 $oversubscribe $lenet --lr 900
expect 1 'diverged' mpiexec -n 3 $oversubscribe $lenet --lr 900 --reduce fixed32
expect 1 'diverged' mpiexec -n 2 $oversubscribe $bramble train mlp --input 32 --hidden 256 --limit 200 --batch 64 --micro-batch 16 --epochs 3 --lr 900 --quiet # found with buckets on their way
expect 2 'patience counts evaluations' $lenet --eval-every 0 --patience 2
expect 2 'until-accuracy is asked at evaluations' $lenet --eval-every 0 --until-accuracy 0.5
expect 2 '--balance 1,2: 2 numbers for 3 ranks' mpiexec -n 3 $oversubscribe $lenet --balance 1,2
expect 0 'sha256' mpiexec -n 3 $oversubscribe $lenet --reduce float --out float.st
ls | grep -q '\.tmp\.' && fail "a temporary file was left: $(ls)"
exit $((failures > 0))
