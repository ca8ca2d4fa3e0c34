# bramble doctor alone and on three ranks: every node once, links and sums measured, the same findings as JSON.
. "$(dirname "$0")/head.bash"
"$build/bramble" doctor > alone.txt
grep -q '^node ' alone.txt || { cat alone.txt; exit 1; }
"$build/bramble" doctor --json > alone.json
for key in '"problems":' '"gflops":' '"kernels":' '"program_sha256":"'"$(sha256sum < "$build/bramble" | cut -c1-64)"'"' '"clock_ahead_seconds":0.0' '"sum_seconds":0.0'; do
  grep -qF "$key" alone.json || { echo "$key is missing: $(cat alone.json)"; exit 1; }
done
[ -z "$(ls -A | grep -v alone)" ] || { echo "something was left behind"; exit 1; }
printf '# two\nno-such-host.invalid:4\n\n no-other.invalid slots=2\n' > alone.hosts
"$build/bramble" doctor --hosts alone.hosts > reach.alone
[ "$(grep -cE '^problem: (no-such-host|no-other).invalid: cannot be reached: ' reach.alone)" = 2 ] || fail "hosts: $(cat reach.alone)"
: > alone.hosts
"$build/bramble" doctor --hosts alone.hosts 2>&1 | grep -q 'has no hosts' || fail "no hosts"
"$build/bramble" doctor --hosts none 2>&1 | grep -q 'none: cannot be read' || fail "no file of hosts"
command -v mpiexec > /dev/null || exit 0
mpiexec -n 3 "$build/bramble" doctor --json > three.json 2> err.txt || { cat err.txt; exit 1; }
[ "$(wc -l < three.json)" = 1 ] && grep -q '"ranks":3,' three.json && [ "$(grep -o '"host":' three.json | wc -l)" -ge 1 ] || { cat three.json; exit 1; }
grep -qE '"latency_seconds":[0-9.]*[1-9]' three.json && grep -qE '"sum_seconds":0?\.?[0-9]*[1-9]' three.json || { cat three.json; exit 1; }
