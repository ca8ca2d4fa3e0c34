#!/usr/bin/env bash
# Forests and boosting killed in the middle go on from their checkpoint on another number of ranks to the bytes of a run that was never stopped; a checkpoint of
# other data or settings is refused; none is left at the end.
. "$(dirname "$0")/table_lib.bash"
launch=()
command -v mpiexec >/dev/null && launch=(mpiexec -n 2) || echo "no mpiexec: one rank only"
"$bramble" data make sdss --rows 2000 --seed 1 --out s.csv >/dev/null
"$bramble" data make cars --rows 2000 --seed 1 --out c.csv >/dev/null

try() { # name, trees, arguments
  local name=$1 trees=$2 pid
  shift 2
  "$bramble" train "$@" --threads 1 --trees "$trees" --out whole.safetensors --quiet >/dev/null </dev/null || fail "$name does not train"
  "$bramble" train "$@" --threads 1 --trees 100000 --checkpoint-every 3 --out part.safetensors --quiet >/dev/null 2>&1 </dev/null &
  pid=$!
  for _ in $(seq 600); do [ -f part.safetensors.checkpoint ] && break; sleep 0.05; done
  kill -9 $pid
  wait $pid 2>/dev/null
  [ -f part.safetensors.checkpoint ] || { fail "$name makes no checkpoint"; return; }
  [ -f part.safetensors ] && fail "$name leaves half a model"
  "$bramble" train "$@" --threads 1 --trees 100000 --seed 2 --resume --out part.safetensors --quiet >/dev/null 2>e.txt </dev/null && fail "$name goes on with another seed"
  grep -q "is of other data, rows or seed" e.txt || fail "$name with another seed says: $(cat e.txt)"
  "$bramble" train "$@" --threads 1 --trees 100000 --min-rows 9 --resume --out part.safetensors --quiet >/dev/null 2>e.txt </dev/null && fail "$name goes on with another leaf size"
  grep -q "was made with other settings" e.txt || fail "$name with another leaf size says: $(cat e.txt)"
  "${launch[@]}" "$bramble" train "$@" --threads 1 --trees "$trees" --resume --out part.safetensors >/dev/null 2>e.txt </dev/null || fail "$name does not go on"
  grep -q '^going on from part.safetensors.checkpoint$' e.txt || fail "$name does not say that it goes on: $(cat e.txt)"
  cmp -s whole.safetensors part.safetensors || fail "$name ends otherwise after it was killed"
  [ -f part.safetensors.checkpoint ] && fail "$name leaves its checkpoint"
  rm -f part.safetensors* whole.safetensors
}
try boost 250 boost --data c.csv --target price --sample-rows 0.7 --sample-columns 0.5
try "boost of classes" 80 boost --data s.csv --target class --max-leaves 8 --validation 0.3 --patience 1000 --split 0.8
"$bramble" train forest --data c.csv --target price --trees 2 --resume --out none.safetensors 2>&1 >/dev/null | grep -q '^there is no checkpoint none.safetensors.checkpoint to go on from' || fail "a forest that has no checkpoint does not say so"
try forest 250 forest --data c.csv --target price --max-depth 5
exit $bad
