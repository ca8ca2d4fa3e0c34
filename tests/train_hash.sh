#!/usr/bin/env bash
# The one idea, as a test: the model file has the same bytes whatever it was trained on. Each case is trained once on one rank and one thread; then on other
# ranks, threads and placements, killed and gone on with on other ranks, and compared.
. "$(dirname "$0")/ranks.bash"
fail() {
  echo "FAIL: $*"
  failures=$((failures + 1))
}
ranks() { # N, command...
  local n=$1
  shift
  mpiexec -n "$n" $oversubscribe "$@"
}
[ "$(ranks 2 "$bramble" train lenet --limit 32 --epochs 1 --json --quiet 2>&1 | grep -c '"rank":1')" -ge 1 ] || { echo "skipped: bramble was built for another MPI, or none"; exit 77; }

same() { # file, what: the bytes of the case's first run
  cmp -s whole.st "$1" || fail "$name: $2 gives another model"
  rm -f "$1"*
}
# case NAME OPTIONS... : trains whole.st, the one to compare with.
case_of() {
  name=$1
  shift
  options="train $* --quiet"
  "$bramble" $options --threads 1 --out whole.st >/dev/null || fail "$name does not run"
}
on() { # N, more options
  local n=$1
  shift
  ranks "$n" "$bramble" $options "$@" --out other.st >/dev/null 2>err || { fail "$name on $n ranks $*"; cat err; }
  same other.st "$n ranks $*"
}
# Goes on with a run that was killed with -9 twice, at a random time after a checkpoint, on other ranks each time.
killed() {
  local n before tries
  for n in 3 1; do
    before=$(ls part.st.ckpt-* 2>/dev/null | tail -1)
    ranks $n "$bramble" $options --threads 1 --checkpoint-every 2 --resume --out part.st >/dev/null 2>&1 &
    local pid=$!
    for ((tries = 0; tries < 400; tries++)); do
      [ "$(ls part.st.ckpt-* 2>/dev/null | grep -v tmp | tail -1)" != "$before" ] && break
      kill -0 $pid 2>/dev/null || break
      sleep 0.01
    done
    sleep 0.0$((RANDOM % 8))
    pkill -KILL -P $pid 2>/dev/null
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
  done
  ls part.st.ckpt-* >/dev/null 2>&1 || echo "note: $name was killed before its first checkpoint"
  ranks 2 "$bramble" $options --threads 2 --checkpoint-every 2 --resume --out part.st >/dev/null 2>err || { fail "$name does not go on"; cat err; }
  [ "$(grep -c '"test_accuracy"' part.st.jsonl)" -eq "$(grep -c '"test_accuracy"' whole.st.jsonl)" ] || fail "$name: the log of the run that went on has lines too many or too few"
  same part.st "going on after kill -9"
}

case_of lenet lenet --limit 400 --epochs 2 --batch 56 --micro-batch 8
for n in 1 2 3 4 5 7; do on $n --threads 1; done
for t in 2 3; do on 1 --threads $t; done
on 3 --balance 1,0,3.5
on 2 --balance auto
killed
case_of 'lenet, adam, ema, clip' lenet --limit 200 --epochs 1 --optimiser adam --lr 0.001 --ema 0.9 --clip 1 --augment flip,crop:4 --class-weights balanced
on 3 --threads 2
case_of 'mobilenetv2, muon' mobilenetv2 --width 0.25 --input 32 --batch 24 --micro-batch 4 --limit 72 --epochs 1 --optimiser muon --bn-recalibrate 0
on 3 --threads 2
on 1 --threads 3
case_of 'lenet, muon, averaged weights' lenet --limit 96 --epochs 1 --batch 8 --micro-batch 4 --optimiser muon --sync weights --workers 3 --every 2
on 2 --threads 2
case_of mobilenetv2 mobilenetv2 --width 0.25 --input 32 --batch 12 --micro-batch 4 --limit 60 --epochs 2 --bn-recalibrate 16
for n in 2 3 4 5 7; do on $n --threads 1; done
for t in 2 3; do on 1 --threads $t; done
on 2 --threads 2 # two groups side by side, buckets between them
MPIR_CVAR_NOLOCAL=1 on 3 --threads 1 # MPICH takes the ranks for machines: packed sums
on 3 --balance 1,0,3.5
killed
case_of 'mobilenetv2, large pictures' mobilenetv2 --width 0.25 --input 96 --batch 6 --micro-batch 3 --limit 12 --epochs 1 --bn-recalibrate 6
on 1 --threads 5 # several inside a unit
on 3 --threads 1
case_of 'fixed32' mobilenetv2 --width 0.25 --input 32 --batch 16 --micro-batch 4 --limit 64 --epochs 3 --reduce fixed32
for n in 2 3 5; do on $n --threads 1; done
on 2 --threads 2
on 1 --threads 3
MPIR_CVAR_NOLOCAL=1 on 3 --threads 1
killed
case_of 'fixed16' mobilenetv2 --width 0.25 --input 32 --batch 16 --micro-batch 4 --limit 64 --epochs 3 --reduce fixed16
for n in 2 3 5; do on $n --threads 1; done
on 2 --threads 2
MPIR_CVAR_NOLOCAL=1 on 3 --threads 1
killed
bytes() { "${@}" --json 2>/dev/null | grep '"epoch":' | tail -1 | grep -o '"bytes_sent":[0-9]*' | head -1 | cut -d: -f2; } # of all epochs
[ -n "$oversubscribe" ] || for kind in exact fixed32 fixed16; do # Open MPI has no way to take ranks for machines
  sent=$(MPIR_CVAR_NOLOCAL=1 bytes ranks 2 "$bramble" train lenet --limit 2048 --epochs 2 --batch 64 --micro-batch 16 --bn-recalibrate 0 --eval-every 0 --reduce $kind --quiet)
  case $kind in
    exact) exact=$sent ;;
    fixed32) [ $((sent * 100)) -lt $((exact * 85)) ] || fail "fixed32 sends $sent bytes, exact $exact" ;;
    fixed16) [ $((sent * 100)) -lt $((exact * 50)) ] || fail "fixed16 sends $sent bytes, exact $exact" ;;
  esac
done
case_of mlp mlp --input 32 --hidden 32 --limit 200 --epochs 1 --batch 32 --micro-batch 4
for n in 2 3 4 5 7; do on $n --threads 1; done
for t in 2 3; do on 1 --threads $t; done
on 2 --balance 1,3
killed
printf 'x = input 32 32 3\nf = flatten x\nh = dense f out=16\nr = relu h\nd = dropout r rate=0.3\ny = dense d out=10\n' >net.txt
case_of dropout net.txt --limit 200 --epochs 2 --batch 24 --micro-batch 6
for n in 2 7; do on $n --threads 1; done
on 2 --threads 3
case_of 'squeezenet1.1' squeezenet1.1 --input 48 --batch 8 --micro-batch 2 --limit 16 --epochs 2 --lr 0.001 --dropout 0.5
for n in 2 3 4 5 7; do on $n --threads 1; done
for t in 2 3; do on 1 --threads $t; done
on 2 --balance 3,1
killed
case_of 'mse' lenet --loss mse --limit 100 --epochs 1 --lr 0.01
on 3 --threads 2

case_of 'weights every 3' lenet --limit 400 --epochs 2 --batch 8 --micro-batch 8 --sync weights --workers 7 --every 3
for n in 2 3 5 7; do on $n --threads 1; done
for t in 2 3; do on 1 --threads $t; done
on 3 --balance 1,0,3.5
on 2 --balance auto
killed
case_of 'weights every epoch' mobilenetv2 --width 0.25 --input 32 --batch 8 --micro-batch 4 --limit 80 --epochs 2 --sync weights --workers 5 --bn-recalibrate 0
on 4 --threads 1
on 1 --threads 3
case_of 'weights, state reset' net.txt --limit 200 --epochs 1 --batch 8 --micro-batch 4 --sync weights --workers 4 --every 2 --optimiser-state reset
on 3 --threads 2
case_of 'fedavg' mobilenetv2 --width 0.25 --input 32 --batch 8 --micro-batch 4 --limit 150 --epochs 2 --sync fedavg --workers 9 --fraction 0.5 --local-epochs 2 --partition dirichlet:0.3 --server fedadam --prox 0.1
for n in 2 7; do on $n --threads 1; done
on 1 --threads 3
on 2 --balance auto
case_of 'fedavgm' lenet --limit 400 --epochs 5 --sync fedavg --workers 6 --fraction 0.5 --server fedavgm --server-lr 0.9
killed
exit $((failures > 0))
