# A case's cores and memory: held where this user may, and said where not; hosts and launchers.
. "$(dirname "$0")/head.bash"
need_yaml
cat > limits.yaml <<'E2'
name: limits
factors: {size: [60, 400]}
memory: "{size}MB"
cores: 1
run: "! sh -c 'nproc; exec dd if=/dev/zero of=/dev/null bs=200M count=1 2> /dev/null'"
metrics: {wall: {measure: wall_seconds}}
E2
"$build/bramble" sweep limits.yaml --quiet > out
runs=results/limits/runs.jsonl
grep -q '"memory_limit_bytes":60000000.0' $runs || fail "the limit is not recorded"
"$build/bramble" report results/limits --out report.html --quiet
if grep -q '"not_held"' $runs; then
  [ "$(grep -c '"not_held":"memory is not held: ' $runs)" = 2 ] && grep -q 'memory is not held: ' report.html || fail "it is not said everywhere: $(cat $runs)"
  echo "memory cannot be held here: $(grep -m1 -o '"not_held":"[^"]*"' $runs)"
else
  grep -q '^failed .*size=60  ended by the kernel: its ranks together took more than the case.s limit of 60 MB' out && grep -q '^ok .*size=400' out || fail "$(cat out)"
fi
# A scope of systemd where no group may be made: the words in front of the command.
sed 's/name: limits/name: odd/; s/{size}MB/{size} apples/' limits.yaml > odd.yaml
"$build/bramble" sweep odd.yaml 2>&1 | grep -q 'memory: "60 apples" is not a size' || fail "apples"

cat > ranks.yaml <<'E2'
name: ranks
factors: {ranks: [2]}
ranks: "{ranks}"
cores: 2
run: train lenet --data shapes:40,20 --epochs 1 --threads 1 --json
metrics: {loss: {json: loss}}
E2
mkdir bin
printf '#!/bin/sh\n[ "$2 $3" = "-n 2" ] || exit 9\necho "$1" >> "%s/started"\nshift 3\necho srun >> "%s/started"\nexec mpiexec -n 2 "$@"\n' "$folder" "$folder" > bin/srun
printf '#!/bin/sh\necho "$@" >> "%s/started"\n[ "$1" != --version ] || echo "mpiexec (Open MPI) 4.1.4"\necho "{\\"loss\\":1}"\n' "$folder" > bin/mpiexec
chmod +x bin/*
echo node1 > "my hosts"
PATH="$folder/bin:$PATH" "$build/bramble" sweep ranks.yaml --hosts "my hosts" --quiet > out || fail "hosts: $(cat out)"
grep -q '^--hostfile my hosts -n 2 .*bramble train' started || fail "how mpiexec was started: $(cat started)"
grep -q '"not_held":"cores and memory are held on the sweep.s own machine only"' results/ranks/runs.jsonl || [ "$(nproc)" -lt 2 ] || fail "far ranks: $(cat results/ranks/runs.jsonl)"
rm bin/mpiexec
if command -v mpiexec > /dev/null && [ "$(nproc)" -ge 2 ]; then
  PATH="$folder/bin:$PATH" "$build/bramble" sweep ranks.yaml --launcher srun --again all --quiet > out
  grep -q '^ok ' out && grep -q srun started && grep -q '^--mpi=pmi' started || fail "srun: $(cat out)"
fi
"$build/bramble" sweep ranks.yaml --hosts none 2>&1 | grep -q -- '--hosts none: cannot be read' || fail "no hosts"
"$build/bramble" sweep ranks.yaml --hosts none --launcher srun 2>&1 | grep -q 'write the hosts into its command' || fail "hosts and launcher"
"$build/bramble" sweep ranks.yaml --launcher ssh 2>&1 | grep -q '{ranks} is missing' || fail "a launcher without ranks"
