# --simulate: the model is the one that is trained without; times are computed, and are said to be everywhere; two simulated nodes beside two real ranks (reported, not asserted).
. "$(dirname "$0")/head.bash"
run() { "$build/bramble" train lenet --data shapes:800,100 --epochs 2 --batch 64 --micro-batch 8 --threads 1 --json --quiet "$@"; }
run --out plain.safetensors > plain
run --out there.safetensors --simulate nodes=5,threads=1,link=1Mbit,1ms > there
cmp plain.safetensors there.safetensors || fail "the simulation changed the model"
[ "$(head -1 there | grep -o '"rank":' | wc -l)" = 5 ] || fail "five ranks"
grep -q '"simulated":{"nodes":5,"threads":1,"bytes_per_second":125000.0,"latency_seconds":0.001,' there || fail "the mark: $(head -1 there)"
# 62,006 weights of 4.8 packed bytes over a link of 1 Mbit/s: a sum of 5 nodes is at least 1.6 times that over the link, 13 sums an epoch.
awk -v s="$(head -1 there | grep -o '"communicate_seconds":[0-9.]*' | head -1 | cut -d: -f2)" 'BEGIN { least = 13 * 1.6 * 62006 * 4.8 / 125000; exit !(s >= least && s < 1.2 * least) }' || fail "time of the sums"
seconds() { grep "\"$1\":" there | sed 's/"ranks".*//' | grep -o '"seconds":[0-9.]*' | cut -d: -f2; }
{ seconds result; seconds epoch; } | awk 'NR == 1 { all = $1 } NR > 1 { sum += $1 } END { exit !(all > 0 && (all - sum) ^ 2 < (1e-4 * all) ^ 2) }' || fail "the run takes as long as its epochs"
"$build/bramble" train lenet --data shapes:100,20 --epochs 1 --threads 64 --simulate nodes=2 --json --quiet | head -1 | grep -q '"simulated":{"nodes":2,"threads":64,' || fail "--threads are those of the nodes"
run --simulate nods=3 2>&1 | grep -q 'nods is not known; .* did you mean nodes?' || fail "nods"
run --simulate link=1Mbit 2>&1 | grep -q 'how many nodes' || fail "no nodes"
run --simulate nodes=0 2>&1 | grep -q 'nodes=0 is not a number from 1' || fail "no nodes at all"
"$build/bramble" train tree --simulate nodes=2 2>&1 | grep -q 'is for nets' || fail "tables"

if has_yaml; then
  cat > scaling.yaml <<'E2'
name: scaling
factors: {workers: [2, 4, 8]}
simulate: {nodes: "{workers} / 2", threads: 2}
run: train lenet --data shapes:200,40 --epochs 1 --sync weights --workers {workers} --batch 5 --micro-batch 5 --json
base: [workers]
metrics:
  seconds: {json: seconds, take: sum, unit: s}
  speedup: {formula: base(seconds) / seconds}
  wall: {measure: wall_seconds}
rivals: {other: {run: "false", metrics: {seconds: "x([0-9])"}}}
plots: [{title: Speedup, x: workers, y: speedup}]
E2
  "$build/bramble" sweep scaling.yaml --simulate nodes=2,link=10Mbit --json --quiet > out || fail "sweep: $(cat out)"
  tail -1 out | grep -q '"results":"results/scaling-simulated","runs":2,"known":0,"failed":1' || fail "sweep: $(cat out)"
  grep -q 'needs 4 nodes, 2 are simulated' results/scaling-simulated/runs.jsonl || fail "the case that does not fit"
  [ "$(grep -c '"simulated":"nodes=[12],threads=2,link=10Mbit"' results/scaling-simulated/runs.jsonl)" = 2 ] || fail "marks of runs"
  grep -q '"wall":' results/scaling-simulated/runs.jsonl && fail "measures of this machine stand for the simulated one"
  "$build/bramble" report results/scaling-simulated --out report.html --quiet
  grep -q 'Times of 3 cases are simulated: .*: nodes=2,link=10Mbit' report.html && grep -q '<td class="f">bramble, simulated</td>' report.html && grep -q '<figcaption>Speedup (simulated)' report.html || fail "the report does not say it"
  "$build/bramble" report results/scaling-simulated --markdown | grep -q '^Simulated: ' || fail "Markdown does not say it"
fi

command -v mpiexec > /dev/null || exit 0
time_of() { grep '"epoch":' "$1" | tail -1 | sed 's/"ranks".*//' | grep -o '"seconds":[0-9.]*' | cut -d: -f2; }
run --simulate nodes=2,link=8Gbit,0.02ms > two
mpiexec -n 2 "$build/bramble" train lenet --data shapes:800,100 --epochs 2 --batch 64 --micro-batch 8 --threads 1 --json --quiet > real
echo "last epoch on two ranks: simulated $(time_of two) s, measured $(time_of real) s"
