# Two ranks in two network namespaces on a wire of 940 Mbit/s, beside the simulator: the same model; times are reported, not asserted. Needs root, ip and tc.
. "$(dirname "$0")/head.bash"
[ "$(id -u)" = 0 ] || skip "network namespaces need root"
for tool in ip tc unshare mpiexec; do command -v $tool > /dev/null || skip "no $tool"; done
a=bramble-a-$$ b=bramble-b-$$
remove() {
  for n in $a $b; do # ranks whose wire has gone would wait for each other, on all cores
    ip netns pids $n 2> /dev/null | xargs -r kill -9 || true
    ip netns del $n 2> /dev/null || true
  done
  rm -rf "$folder"
}
trap remove EXIT
{ ip netns add $a && ip netns add $b && ip link add wire netns $a type veth peer name wire netns $b; } 2> err || skip "network namespaces are not allowed here: $(tail -1 err)"
address=1
for n in $a $b; do
  ip -n $n addr add 10.77.0.$address/24 dev wire
  ip -n $n link set lo up
  ip -n $n link set wire up
  tc -n $n qdisc add dev wire root tbf rate 940mbit burst 128kb latency 50ms 2> err || skip "tc has no token buckets here: $(tail -1 err)"
  address=$((address + 1))
done
for n in $a $b; do
  for _ in $(seq 50); do ip -n $n link show wire | grep -q 'state UP' && break || sleep 0.1; done # until the wire is seen at both ends
done
cat > enter <<E2
#!/bin/sh
while [ "\${1#-}" != "\$1" ]; do shift; done
case \$1 in 10.77.0.2) n=$b ;; *) n=$a ;; esac
shift
exec ip netns exec \$n unshare -u sh -c "hostname \$n; \$*"
E2
chmod +x enter
# MPI takes the wire although both ends are one machine.
pair() { UCX_TLS=tcp,self UCX_NET_DEVICES=wire FI_PROVIDER=tcp MPIR_CVAR_NOLOCAL=1 timeout 100 ip netns exec $a unshare -u sh -c "hostname $a; mpiexec -launcher ssh -launcher-exec $folder/enter -hosts 10.77.0.1,10.77.0.2 -n 2 $*"; }
sent() { ip netns exec $a cat /proc/net/dev | awk '/wire:/ { print $10 }'; }
pair "$build/bramble" doctor --json > doctor 2> err || skip "this mpiexec does not start ranks so: $(tail -1 err)"
[ "$(grep -o '"interface":"wire"' doctor | wc -l)" = 2 ] || fail "doctor does not see the wire: $(cat doctor)"
settings="train lenet --data shapes:1000,100 --epochs 3 --batch 128 --micro-batch 16 --threads 1 --json --quiet"
before=$(sent)
pair "$build/bramble" $settings --out real.safetensors > real || fail "two ranks on the wire ended with code $?: $(tail -1 real)"
[ $(($(sent) - before)) -gt 5000000 ] || skip "MPI does not take the wire"
"$build/bramble" $settings --simulate nodes=2,threads=1,link=940Mbit,0.05ms --out there.safetensors > there
cmp real.safetensors there.safetensors || fail "the model is another one"
last() { grep '"epoch":' "$1" | tail -1 | grep -o "\"$2\":[0-9.e-]*" | head -1 | cut -d: -f2; }
for what in seconds compute_seconds communicate_seconds; do echo "last epoch on two nodes, $what: simulated $(last there $what), measured $(last real $what)"; done
