#!/usr/bin/env bash
# Ranks of one machine make an update together, each a share of it: the weights are the bits that one rank alone makes, whatever the optimiser, the ranks and their threads,
# also where the machine has no memory for them to share.
. "$(dirname "$0")/ranks.bash"
train="train mobilenetv2 --width 0.25 --input 32 --batch 24 --micro-batch 4 --limit 72 --epochs 1 --bn-recalibrate 0 --quiet"
same() { # what, options, the command that trains other.st
  local what="$1: $2"
  shift 2
  timeout -k 5 100 "$@" >/dev/null 2>err && cmp -s whole.st other.st || { echo "FAIL: $what"; cat err; failures=$((failures + 1)); }
  rm -f other.st*
}
for optimiser in sgd adam lars lamb rmsprop muon 'muon --clip 0.5' 'lamb --ema 0.9'; do
  options="$train --optimiser $optimiser"
  "$bramble" $options --threads 1 --out whole.st >/dev/null || exit 1
  for ranks in 2 3; do
    for threads in 1 2; do same "$optimiser" "$ranks ranks of $threads" mpiexec -n $ranks $oversubscribe "$bramble" $options --threads $threads --out other.st; done
  done
  same "$optimiser" 'ranks of 1 and 2' mpiexec $oversubscribe -n 1 "$bramble" $options --threads 1 --out other.st : -n 1 "$bramble" $options --threads 2 --out other.st
done
# 20 MB: enough for MPICH itself and the weights of the small net, too little for sums of three ranks or a wide net's weights.
for net in "${train#train }" 'mlp --input 32 --hidden 1024 --batch 24 --micro-batch 4 --limit 72 --epochs 1 --quiet'; do
  unshare -m sh -c 'mount -t tmpfs -o size=20m tmpfs /dev/shm' 2>/dev/null || { echo "not tested: little memory to share, which needs root"; break; }
  options="train $net --optimiser adam --lr 0.001"
  "$bramble" $options --threads 1 --out whole.st >/dev/null || exit 1
  same "${net%% *}" 'little memory to share' unshare -m sh -c "mount -t tmpfs -o size=20m tmpfs /dev/shm && mpiexec -n 3 $oversubscribe '$bramble' $options --threads 1 --out other.st"
done
exit $((failures > 0))
