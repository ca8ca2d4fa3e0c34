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
expect 0 'conv2 +conv +backward .*of the bound' "$bramble" bench train lenet --steps --batch 8 --repeats 1
expect 0 '"op":"dense".*"share_of_bound".*"pass":"backward"' "$bramble" bench train lenet --steps --batch 8 --repeats 1 --json
expect 0 '"share_of_bound":0' "$bramble" bench train lenet --batch 8 --repeats 1 --json
expect 2 'the data has 10 classes, the net has 3 outputs' "$bramble" bench train lenet --steps --classes 3 --batch 8 --repeats 1
expect 2 'more than the data.s 4 samples' "$bramble" bench train lenet --steps --batch 8 --repeats 1 --data shapes:4,4
expect 0 'to   64x64   input' "$bramble" bench data shapes:30,10 --input 64 --repeats 1
expect 0 '"samples":20,"megapixels":0.001024,"height":32' "$bramble" bench data shapes:30,10 --limit 20 --repeats 1 --json
expect 2 'as in --nodes 4' "$bramble" plan train lenet --node pi9
expect 2 'bramble data: pack, show' "$bramble" data
expect 2 'is not a sample' "$bramble" data show shapes -1 --out p.png
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
expect 2 'npy:t.csv.: write it as npy:IMAGES' "$bramble" train lenet --data npy:t.csv
# a place that cannot be written to is known before the work
for verb in "data make cars --rows 9" "inspect shapes:20,20" "export m.safetensors" "import m.onnx" "predict m.safetensors --data shapes:20,20" "report results"; do
  expect 2 'no/such: cannot be written' "$bramble" $verb --out no/such
  expect 2 'is a folder; give a file name' "$bramble" $verb --out .
done
expect 2 'no/such: cannot be written' "$bramble" predict m.safetensors --input x.npy --output no/such
expect 0 '^shapes test: 5 samples' "$bramble" inspect shapes:20,5 --part test --out sheet.png
! grep -q train "$dir/out" || { echo "FAIL: inspect --part test shows the other part too"; failures=$((failures + 1)); }
expect 2 'value is empty' "$bramble" train lenet --limit 64 --epochs 1 --out ''
# what a net would not look at is no setting
expect 2 'lenet has no width' "$bramble" train lenet --width 0.5
expect 2 'mlp has no dropout' "$bramble" train mlp --dropout 0.5
expect 2 'sizes like 64,64,32' "$bramble" train mlp --hidden '64;32'
expect 2 'width: is for nets of the zoo' "$bramble" train m.safetensors --width 0.5
expect 0 'lenet: has the weights that training starts from' "$bramble" predict lenet p.png
# what is read is not written over, by whatever name
printf 'a,b\n1,2\n2,4\n3,7\n' >t.csv
expect 0 sha256 "$bramble" train linear --data t.csv --target b --out l.safetensors
ln -s t.csv link.csv
sha256sum m.safetensors l.safetensors t.csv >sums
expect 2 'a file that --data reads' "$bramble" train linear --data t.csv --target b --out ./t.csv
expect 2 'a file that --data reads' "$bramble" predict l.safetensors --data link.csv --out t.csv
expect 2 'a file that --data reads' "$bramble" predict l.safetensors --data 't*.csv' --out t.csv
expect 2 'a file that --data reads' "$bramble" train tree --data libsvm:t.csv --target label --out t.csv
expect 2 'is the file that is read' "$bramble" predict l.safetensors --data t.csv --out l.safetensors
expect 2 'is the file that is read' "$bramble" export m.safetensors --out m.safetensors
expect 2 'output m.safetensors: is the file' "$bramble" predict m.safetensors --input x.npy --output y.npy,a=m.safetensors
sha256sum --check --quiet sums || { echo "FAIL: a file that was read has changed"; failures=$((failures + 1)); }
expect 0 sha256 "$bramble" train m.safetensors --limit 64 --epochs 1 --out m.safetensors # trained further where it lies
# a number that JSON has no word for is null, and said
expect 0 '"prediction":null' "$bramble" predict l.safetensors --row a=inf --json
expect 0 'no finite number' "$bramble" predict l.safetensors --row a=inf
expect 2 'a is given twice' "$bramble" predict l.safetensors --row a=1,a=2
expect 2 'the answer of --row is printed' "$bramble" predict l.safetensors --row a=1 --out p.csv
# results that cannot be written are a failure; a reader that has seen enough is none
for verb in help "inspect lenet --json" "eval m.safetensors --limit 20" "inspect t.csv"; do
  expect 1 'standard output: writing failed' sh -c '"$@" >/dev/full' sh "$bramble" $verb
  expect 0 'rc 0' bash -c '"$@" | true; echo "rc ${PIPESTATUS[0]}"' bash "$bramble" $verb
done
ln -s /dev/full log.safetensors.jsonl
expect 0 'log.safetensors.jsonl: writing failed' "$bramble" train lenet --limit 64 --epochs 2 --out log.safetensors
# what a net, or a table's model, would pass over
for option in --explain --probabilities '--bad-rows skip' --times; do expect 2 'is for models of tables' "$bramble" predict m.safetensors p.png $option; done
for option in '--top 3' '--runs 2' --exact '--limit 3'; do expect 2 'is for nets' "$bramble" predict l.safetensors --data t.csv --out p.csv $option; done
expect 2 '--where: is for models of tables' "$bramble" eval m.safetensors --where 'a > 1'
expect 2 '--bn-recalibrate: is for nets' "$bramble" eval l.safetensors --data t.csv --bn-recalibrate 10
# a model that is damaged is said to be, also where it cannot be seen any more that it was one of a table
head -c 300 l.safetensors >half.safetensors
sed 's/bramble.table/bramble.tuple/' l.safetensors >other.safetensors
for file in half other none; do
  expect 3 "^bramble: $file.safetensors: " "$bramble" predict $file.safetensors --row a=1
  expect 3 "^bramble: $file.safetensors: " "$bramble" predict $file.safetensors --data t.csv --out p.csv
  expect 3 "^bramble: $file.safetensors: " "$bramble" eval $file.safetensors --data t.csv
  expect 3 "^bramble: $file.safetensors: " "$bramble" inspect $file.safetensors
done
expect 3 "^bramble: m.safetensors: " "$bramble" predict m.safetensors --row a=1
# classes of a model on data of other classes
mkdir -p photos/disc photos/other && cp p.png photos/disc/ && cp p.png photos/other/
expect 0 'folder train: 1 samples each of its own size, 2 classes' "$bramble" inspect folder:photos
expect 3 'class 1, other, is not the model' "$bramble" eval m.safetensors --data folder:photos
printf '%s\n' a b c d e f g h i j >letters.txt
expect 0 sha256 "$bramble" train m.safetensors --limit 64 --epochs 1 --out n.safetensors
"$bramble" export n.safetensors --out n.onnx && "$bramble" import n.onnx --classes letters.txt --out n.safetensors || failures=$((failures + 1))
expect 0 'classes .disc, .... are not those of the model .a, ....' "$bramble" eval n.safetensors --limit 10
# moving averages that still hold what they started from
moving="$bramble train mobilenetv2 --width 0.25 --input 32 --data shapes:48,20 --batch 24 --micro-batch 12 --epochs 2"
expect 0 'hold 66 % of their start values after 4 updates' $moving --bn-recalibrate 0 --out moving.safetensors
expect 0 'warning.*hold 66 % of their start values after about 4 updates.*--bn-recalibrate' "$bramble" eval moving.safetensors --data shapes:48,20
expect 0 'samples' "$bramble" eval moving.safetensors --data shapes:48,20 --bn-recalibrate 48
! grep -q warning "$dir/err" || { echo "FAIL: a warning of recalibrated statistics"; failures=$((failures + 1)); }
expect 0 'sha256' $moving --out exact.safetensors
expect 0 'samples' "$bramble" eval exact.safetensors --data shapes:48,20
! grep -q warning "$dir/err" || { echo "FAIL: a warning of exact statistics"; failures=$((failures + 1)); }
# the first signal ends what cannot stop in order, and nothing half-written is left
interrupt() { # a file that says it is under way, command
  local pid tries code begun=$1
  shift
  "$@" >/dev/null 2>&1 &
  pid=$!
  for ((tries = 0; tries < 1000; tries++)); do
    grep -qs bramble /proc/$pid/comm && compgen -G "$begun" >/dev/null && break
    sleep 0.01
  done
  while kill -INT $pid 2>/dev/null; do sleep 0.1; done # a slow one may not listen yet
  wait $pid
  code=$?
  [ $code = 130 ] || { echo "FAIL: $*: code $code after SIGINT"; failures=$((failures + 1)); }
  ! compgen -G 'stopped.*' >/dev/null || { echo "FAIL: $*: leaves $(echo stopped.*)"; failures=$((failures + 1)); }
}
interrupt 'stopped.csv.tmp.*' "$bramble" data make cars --rows 1000000000 --out stopped.csv
expect 0 '' "$bramble" data make cars --rows 50000 --out cars.csv
interrupt cars.csv "$bramble" train boost --data cars.csv --target price --trees 10000 --out stopped.safetensors
ls "$dir" | grep -q tmp && { echo "FAIL: a temporary file was left"; failures=$((failures + 1)); }
exit $((failures > 0))
