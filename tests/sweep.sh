# bramble sweep: cases, repeats, rivals, a failing case, a sweep that is stopped and goes on, and what is said about bad files.
. "$(dirname "$0")/head.bash"
need_yaml

cat > good.yaml <<'E2'
name: good
variables: {data: "shapes:60,20"}
factors:
  batch: [10, 20]
  how:
    - plain: --lr 0.05
    - broken: --optimiser nothing
  note: [a, b]
zip: [batch, note]
when: not (batch = 20 and how = 'broken')
repeats: 2
warmup: 1
timeout: 60
run: train lenet --data {data} --epochs 2 --batch {batch} --micro-batch 10 {how} --json --out {out}/m.safetensors
metrics:
  loss: {json: loss, take: all}
  accuracy: {json: test_accuracy, scale: 100}
  samples: {json: samples, take: sum}
  wall: {measure: wall_seconds}
  rss: {measure: peak_rss_bytes}
rivals:
  echo: {run: 'echo speed 1 speed {batch}.5', when: note = 'b', metrics: {accuracy: 'speed ([0-9.]+)'}}
  absent: {run: no-such-program, when: note = 'b', metrics: {accuracy: 'x([0-9])'}}
smoke:
  variables: {data: "shapes:20,10"}
  factors: {batch: [10], note: [a]}
  repeats: 1
E2

# Three cases (one fails) and two rivals (one absent), three times each.
"$build/bramble" sweep good.yaml --json --quiet > out.txt || fail "the sweep failed"
tail -1 out.txt | grep -q '"runs":15,"known":0,"failed":6,"stopped":false' || fail "counts: $(tail -1 out.txt)"
runs=results/good/runs.jsonl
[ "$(wc -l < $runs)" = 16 ] || fail "16 lines were expected"
[ "$(grep -c '"status":"failed","error":"exit 2: bramble: --optimiser nothing: choose one of' $runs)" = 3 ] || fail "the failing case"
[ "$(grep -c 'the program cannot be run: No such file' $runs)" = 3 ] || fail "the absent rival"
[ "$(grep -c '"warmup":true' $runs)" = 5 ] || fail "warm-up marks"
[ "$(grep -c '"metrics":{.*"accuracy":20.5}' $runs)" = 3 ] || fail "the rival's last match"
[ "$(grep -c '"samples":120' $runs)" = 6 ] || fail "sum over epochs"
[ "$(grep -cE '"loss":\[[0-9.]+,[0-9.]+\]' $runs)" = 6 ] || fail "curve over epochs"
[ "$(grep -c '"machine":\[{"rank":0,"host":"[^"]*","changes":"[^"]*","before":.*"rank_times":\[\[' $runs)" = 6 ] || fail "what the ranks saw"
# Nothing is measured twice, unless asked.
"$build/bramble" sweep good.yaml --json | grep -q '"runs":0,"known":15' || fail "known runs were made again"
"$build/bramble" sweep good.yaml --json --again failed | tail -1 | grep -q '"runs":6,"known":9' || fail "--again failed"
"$build/bramble" sweep good.yaml data=shapes:50,20 --json | tail -1 | grep -q '"runs":9,"known":6' || fail "another setting is another measurement"
"$build/bramble" sweep good.yaml --smoke --json | tail -1 | grep -q '"results":"results/good-smoke","runs":4,' || fail "--smoke"
# A torn last line is measured again.
truncate -s -20 $runs
"$build/bramble" sweep good.yaml data=shapes:50,20 --json | tail -1 | grep -q '"runs":1,' || fail "torn line"

"$build/bramble" sweep good.yaml --smoke --repeats 3 --json | tail -1 | grep -q '"runs":4,"known":4' || fail "--repeats"

cat > slow.yaml <<'E2'
name: slow
factors: {i: [1, 2, 3, 4, 5, 6]}
run: "! sleep 0.4"
metrics: {wall: {measure: wall_seconds}}
E2
"$build/bramble" sweep slow.yaml --quiet > stopped.txt &
for _ in $(seq 300); do
  grep -qs '"run"' results/slow/runs.jsonl && break
  sleep 0.1
done
kill -INT $!
wait $! && fail "a stopped sweep says so by its exit code"
grep -q 'goes on from here' stopped.txt || fail "stop message"
before=$(grep -c '"run"' results/slow/runs.jsonl) || fail "no run in half a minute"
[ "$before" -le 5 ] || fail "$before runs before the stop"
"$build/bramble" sweep slow.yaml --json | tail -1 | grep -q "\"runs\":$((6 - before)),\"known\":$before," || fail "the sweep did not go on"
sed 's/name: slow/name: late/; s/factors/timeout: 0.3\nfactors/; s/sleep 0.4/sleep 30/; s/, 2, 3, 4, 5, 6//' slow.yaml > late.yaml
"$build/bramble" sweep late.yaml | grep -q '^timeout .*i=1  not done after 0' || fail "timeout"
sed 's/name: slow/name: wide/; s/factors/cores: 5000\nfactors/' slow.yaml > wide.yaml
"$build/bramble" sweep wide.yaml | grep -q '^skipped .*needs 5000 cores' || fail "too many cores"
"$build/bramble" report results/wide --markdown | grep -q '| 1 | left out |' || fail "what is left out is no failure"

says() { # $1: sed command that spoils good.yaml; $2: what is said
  sed "$1" good.yaml > bad.yaml
  "$build/bramble" sweep bad.yaml > out.txt 2> err.txt && fail "accepted: $1"
  [ "$(wc -l < err.txt)" = 1 ] && grep -qF "$2" err.txt || fail "$1: $(cat err.txt)"
}
says 's/^metrics:/metrix:/' 'bad.yaml:15:1: metrix is not known here; did you mean metrics?'
says 's/{how} --json/{hwo} --json/' 'bad.yaml:14:76: {hwo} is neither a factor nor a variable; did you mean {how}?'
says 's/zip: \[batch, note\]/zip: [batch, noet]/' 'bad.yaml:9:14: noet is not a factor; did you mean note?'
says 's/note: \[a, b\]/note: [a]/' 'zip: note has 1 values, batch has 2'
says 's/take: sum/take: smu/' 'take: smu is not possible; did you mean sum?'
says 's/not (batch = 20/not (bacth = 20/' 'bad.yaml:10:1: "not (bacth = 20 and how = '\''broken'\'')", column 6: nothing is called bacth; did you mean batch?'
says 's/repeats: 2/repeats: two/' 'bad.yaml:11:1: repeats: two is not a number from 1 to 1000'
says 's/- broken: /- plain: /' 'plain is in the list twice'
says 's/^factors:/factors: [/' 'bad.yaml:5:3:'
says 's/^zip: .*/zip: [batch/' 'bad.yaml:10:5: did not find expected'
says 's/^zip: .*/zip: [batch/' 'that begins in line 9, column 6'
says 's/^  batch: /\tbatch: /' 'bad.yaml:4:1: a tab'
says 's/wall_seconds/wal/' 'bad.yaml:19:10: measure: wal is not possible; possible are wall_seconds, peak_rss_bytes, cpu_seconds, cpu_percent'
says 's/^warmup: 1/cores: "{batch} *"/' 'bad.yaml:12:1: "10 *", column 5: '
says 's/^warmup: 1/ranks: 0/' 'bad.yaml:12:1: ranks: "0" is not a number from 1'
says 's/^warmup: 1/memory: "{batch} apples"/' 'bad.yaml:12:1: memory: "10 apples" is not a size'
says 's/^warmup: 1/simulate: {nodes: "{btch}"}/' 'bad.yaml:12:20: {btch} is neither'
says 's/^warmup: 1/published: {source: x, rows: [{bacth: 10, accuracy: 3}]}/' 'bad.yaml:12:32: bacth is neither a factor nor a metric; did you mean batch?'
says 's/rss: {.*/more: {formula: accuracy + los}/' 'bad.yaml:20:10: "accuracy + los", column 12: nothing is called los; did you mean loss?'
says 's/(\[0-9.\]+)/[0-9.]+/' 'has no (group)'
says 's/^name: good/name: good\nname: two/' 'name is there twice, the first time in line 1'
says 's/data: "shapes:60,20"/data: "{data} x"/' 'holds itself'
"$build/bramble" sweep good.yaml dta=3 2>&1 | grep -q 'did you mean data?' || fail "unknown variable"
rm -rf results
ls | grep -v -e yaml -e txt && fail "something was left behind" || true

# A launcher that is ended by SIGPIPE before its ranks have begun is started once more.
mkdir bin
cat > bin/mpiexec <<'E2'
#!/bin/sh
[ "$1" = --version ] && exit 0
[ -e fallen ] || { : > fallen; kill -PIPE $$; }
shift 2
exec "$@"
E2
chmod +x bin/mpiexec
printf 'name: fell\nfactors: {a: [1]}\nranks: "2"\nrun: train lenet --data shapes:60,20 --epochs 1 --json\nmetrics: {seconds: {json: seconds, unit: s}}\n' > fell.yaml
PATH=$PWD/bin:$PATH "$build/bramble" sweep fell.yaml --quiet > out 2> err || fail "a launcher that fell: $(cat out err)"
[ -e fallen ] && grep -q '"status":"ok"' results/fell/runs.jsonl || fail "a launcher that fell was not started again: $(cat results/fell/runs.jsonl)"
