#!/usr/bin/env bash
# Keys of --json are part of the interface: every one that a verb prints is in docs/json.md, and each verb has those that programs read first.
bramble=$1/bramble
page=$(cd "$(dirname "$0")" && pwd)/../docs/json.md
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export LC_ALL=C
failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }
grep -oE '[A-Za-z0-9_]+' "$page" | sort -u >words
keys() { # keys that must be there, keys that come from the data, command
  local wanted=$1 free=$2 key
  shift 2
  "$bramble" "$@" --json --quiet >out 2>err </dev/null || fail "$*: $(cat err)"
  grep -oE '"[A-Za-z0-9_ ]+":' out | tr -d '":' | sort -u >found
  for key in $(tr ' ' '\n' <<<"$wanted" | sort | comm -23 - found); do fail "$*: no key $key"; done
  for key in $(tr ' ' '\n' <<<"$free" | sort - words | comm -23 found -); do fail "$*: the key $key is not in docs/json.md"; done
}
keys 'epoch loss test_accuracy seconds images_per_second load_seconds wait_seconds machine result sha256' '' train lenet --data shapes:64,20 --epochs 1 --out m.safetensors --watts 'echo 4'
keys 'clients' '' train lenet --data shapes:64,20 --epochs 1 --sync fedavg --workers 2
keys 'simulated nodes slower' '' train lenet --data shapes:64,20 --epochs 1 --simulate nodes=2
keys 'samples accuracy per_class confusion' '' eval m.safetensors --data shapes:64,20
keys 'samples runs seconds_min top1' '' predict m.safetensors --data shapes:64,20 --out p.csv
"$bramble" data show shapes 1 --out p.png >/dev/null
keys 'picture answers probability' '' predict m.safetensors p.png
keys 'net nodes macs metadata' '' inspect m.safetensors
keys 'part samples classes' '' inspect shapes:64,20
keys 'memory total_bytes nodes speedup' '' plan train lenet --data shapes:64,20 --nodes 2
keys 'stages' '' plan predict lenet --nodes 2
keys 'images_per_second' '' bench train lenet --data shapes:64,20 --repeats 1
keys 'latency_seconds' '' bench predict lenet --repeats 1
keys 'op share_of_bound' '' bench predict lenet --steps --repeats 1
keys 'gflops' '' bench machine --repeats 1
keys 'samples' '' bench data shapes:64,20 --repeats 1
keys 'noise_scale batch why' '' advise train lenet --data shapes:640,20 --seconds 0.1 --nodes 2
keys 'nodes problems' '' doctor
keys 'file rows' '' data make sdss --rows 600 --out s.csv
keys 'file rows' '' data make cars --rows 600 --out c.csv
keys 'answer_seconds' '' bench table linear --data c.csv --target price --repeats 1
keys 'samples shards bytes' '' data pack shapes:20,5 --out t
keys 'folder rows columns' '' data pack c.csv c
columns='u g r i z redshift GALAXY QSO STAR'
keys 'columns first_rows suggestions' "$columns" inspect s.csv
keys 'coefficients standard_errors intercept r2 times' 'model_year odometer' train linear --data c.csv --target price --out l.safetensors --times --split 0.7
keys 'base_class odds accuracy log_loss' "$columns" train logistic --data s.csv --target class --split 0.7
keys 'importances folds mean deviation' "$columns" train tree --data s.csv --target class --folds 3 --out tree.safetensors
keys 'oob' "$columns" train forest --data s.csv --target class --trees 3 --permutation 2
keys 'rounds' "$columns" train boost --data s.csv --target class --trees 3 --patience 2 --split 0.7
keys 'inertia centre' "$columns" train kmeans --data s.csv --features u,g --clusters 2
keys 'by_class share' "$columns" train bayes --data s.csv --target class
keys 'rows test' "$columns" train mlp --data s.csv --target class --epochs 1 --batch 32 --micro-batch 32 --split 0.7
keys 'accuracy' "$columns" eval tree.safetensors --data s.csv --permutation 1
keys 'file rows unanswered' "$columns" predict tree.safetensors --data s.csv --out p.csv
keys 'prediction probabilities explanation base' "$columns" predict tree.safetensors --row u=1 --explain
for model in l tree; do keys 'model target' "$columns model_year odometer ridge lasso criterion max_depth min_rows min_gain max_leaves prune" inspect $model.safetensors; done
exit $((failures > 0))
