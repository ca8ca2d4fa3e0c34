#!/usr/bin/env bash
# The command line as a user meets it: exit codes, one-line errors that name the mend, and the shape of JSON results.
bramble=$1/bramble
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
# expect CODE PATTERN COMMAND...: the exit code, and on failure one line on stderr that matches.
expect() {
  local code=$1 pattern=$2 lines
  shift 2
  "$@" >"$dir/out" 2>"$dir/err"
  local got=$?
  lines=$(grep -c '^bramble: ' "$dir/err")
  if [ $got -ne "$code" ] || { [ "$code" -ne 0 ] && [ "$lines" -ne 1 ]; } || ! cat "$dir/out" "$dir/err" | grep -qE -- "$pattern"; then
    echo "FAIL: $* : code $got (wanted $code), wanted /$pattern/, got:"
    cat "$dir/out" "$dir/err"
    failures=$((failures + 1))
  fi
}
cd "$dir" || exit 1
expect 0 'bramble VERB' "$bramble" help
expect 0 '--micro-batch' "$bramble" train --help
expect 2 'did you mean train' "$bramble" trian
expect 2 'did you mean --epochs' "$bramble" train lenet --epoch 3
expect 2 'whole number' "$bramble" train lenet --epochs 1.5
expect 2 'from 0 to' "$bramble" train lenet --lr -1
expect 2 'given twice' "$bramble" train lenet --lr 1 --lr 2
expect 2 'needs a value' "$bramble" train lenet --lr
expect 2 'did you mean lenet' "$bramble" train lennet
expect 2 'not a multiple' "$bramble" train lenet --batch 10 --micro-batch 4 --limit 100
expect 2 'fewer than one micro-batch' "$bramble" train lenet --batch 64 --micro-batch 64 --limit 10
expect 3 'nowhere.*cannot be read' "$bramble" train lenet --data cifar10:nowhere
expect 2 'did you mean' "$bramble" train lenet --data cifar:nowhere
expect 2 'cannot be written' "$bramble" train lenet --limit 64 --epochs 1 --out missing/folder/m.safetensors
expect 3 'cannot be read' "$bramble" eval nothing.safetensors
expect 1 'diverged' "$bramble" train lenet --limit 256 --epochs 3 --lr 900 --quiet
expect 0 'conv1 +conv .*of the bound' "$bramble" bench predict lenet --steps --repeats 1
expect 0 '"op":"conv".*"share_of_bound"' "$bramble" bench predict lenet --steps --repeats 1 --json
expect 0 'to   64x64   input' "$bramble" bench data shapes:30,10 --input 64 --repeats 1
expect 0 '"samples":20,"megapixels":0.001024,"height":32' "$bramble" bench data shapes:30,10 --limit 20 --repeats 1 --json
expect 2 'takes a data set' "$bramble" bench data
expect 3 'is no folder' "$bramble" bench data folder:nowhere
printf 'x = input 8 8 3\nc = conv x out=4 kernel=9\n' >bad.net
expect 3 'bad.net:2:1: node c' "$bramble" inspect bad.net
expect 0 'sha256 [0-9a-f]{64}' "$bramble" train lenet --limit 64 --epochs 1 --out m.safetensors
expect 0 'samples 50 ' "$bramble" eval m.safetensors --limit 50
head -c 2000 m.safetensors >cut.safetensors
expect 3 'cut.safetensors' "$bramble" eval cut.safetensors
expect 0 '"accuracy":' "$bramble" eval m.safetensors --limit 50 --json
expect 0 '"test_accuracy":' "$bramble" train lenet --limit 64 --epochs 1 --json
expect 0 'sample 3' "$bramble" data show shapes 3 --out p.png
expect 0 '%' "$bramble" predict m.safetensors p.png --top 2
expect 3 'p.txt' "$bramble" predict m.safetensors p.txt
ls "$dir" | grep -q tmp && { echo "FAIL: a temporary file was left"; failures=$((failures + 1)); }
exit $((failures > 0))
