# --view: the page of a run while it goes on, read only and for this machine only, by curl and by a real Chromium where there is one; and what it costs (reported, not asserted).
set -e
build=$(cd "$1" && pwd)
folder=$(mktemp -d)
run=
trap '[ -z "$run" ] || kill $run 2> /dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
fail() { echo "view.sh: $1"; exit 1; }
command -v curl > /dev/null || { echo "skipped: no curl"; exit 77; }
"$build/bramble" train lenet --data shapes:40,20 --epochs 1 --view 0 --quiet > /dev/null 2> err || { grep -q 'without libmicrohttpd' err && echo "skipped: built without libmicrohttpd" && exit 77; cat err; exit 1; }
url() { for _ in $(seq 300); do address=$(sed -n 's/^watch it at //p' "$1"); [ -z "$address" ] || return 0; sleep 0.1; done; fail "no address: $(cat "$1")"; }
wait_for() { for _ in $(seq 300); do curl -s "${address}now" > now.html && grep -q "$1" now.html && return 0; sleep 0.1; done; fail "$1 is not on the page: $(cat now.html)"; }

"$build/bramble" train lenet --data shapes:1000,100 --epochs 100000 --threads 1 --view 0 > out 2> err &
run=$!
url err
case $address in http://127.0.0.1:*) ;; *) fail "$address is open to others" ;; esac
wait_for '<figcaption>Accuracy, %'
curl -si "$address" > page
grep -q '^HTTP/1.1 200' page && grep -q '<title>lenet on shapes</title>' page && grep -q '<td class="f">0</td>' page || fail "the page: $(head -30 page)"
grep -E 'src=|href=|url\(|@import' page && fail "the page refers to something outside"
[ "$(curl -s -o /dev/null -w '%{http_code}' "${address}none")" = 404 ] || fail "a page that is not there"
for method in POST PUT DELETE; do [ "$(curl -s -o /dev/null -w '%{http_code}' -X $method "$address")" = 405 ] || fail "$method is answered"; done
port=$(printf '%04X' "$(echo "$address" | sed 's/.*:\([0-9]*\).*/\1/')")
grep -qi " 0100007F:$port " /proc/net/tcp || fail "bound to more than localhost"
"$build/bramble" train lenet --data shapes:40,20 --epochs 1 --view "$(echo "$address" | sed 's/.*:\([0-9]*\).*/\1/')" 2>&1 | grep -q 'cannot be served: Address already in use' || fail "a taken port"
"$build/bramble" train lenet --view here 2>&1 | grep -q 'a port from 0 to 65535' || fail "no port"

# A browser that looks every two seconds for a minute asks 30 times.
ticks() { for task in /proc/$run/task/*; do grep -qi mhd "$task/comm" && awk '{ print $14 + $15 }' "$task/stat"; done | paste -sd+ | bc 2> /dev/null || true; }
before=$(ticks)
for _ in $(seq 30); do curl -s "${address}now" > /dev/null; done
after=$(ticks)
[ -z "$before" ] || [ -z "$after" ] || echo "30 looks took $((after - before)) of the 6,000 clock ticks of a minute"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -n "$browser" ]; then
  browse() { timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$folder/profile" --virtual-time-budget=7000 "$@" "$address" 2> /dev/null; }
  browse --dump-dom > dom.html || fail "Chromium failed"
  grep -q '<figcaption>Loss as it goes' dom.html && grep -q '<svg ' dom.html || fail "what Chromium shows"
  # The script has put new text in: it was heard of between the look of curl and that of the script.
  [ "$(grep -o 'running for [^,]*' dom.html)" != "$(grep -o 'running for [^,]*' page)" ] || fail "the page stands still"
  browse --screenshot="$folder/page.png" --window-size=1100,1400
  [ "$(wc -c < page.png)" -gt 20000 ] || fail "the screenshot is empty"
  echo "seen in $("$browser" --version 2> /dev/null | head -1)"
else
  echo "not seen in a browser: no chromium"
fi
kill -INT $run
wait $run || true
run=
curl -s "$address" > /dev/null && fail "it is served after the end"

if ! "$build/bramble" sweep none.yaml 2>&1 | grep -q 'without YAML'; then
  printf 'name: s\nfactors: {i: [1, 2, 3]}\nrun: "! sleep 1.5"\nmetrics: {wall: {measure: wall_seconds}}\n' > s.yaml
  "$build/bramble" sweep s.yaml --view 0 > out 2> err &
  run=$!
  url err
  wait_for '1 of 3 runs.*now i=2'
  grep -q '<td class="f">i=1</td><td>1</td><td class="f">ok ' now.html || fail "the runs of a sweep: $(cat now.html)"
fi
if command -v mpiexec > /dev/null; then
  mpiexec -n 2 "$build/bramble" train lenet --data shapes:600,60 --epochs 3 --threads 1 --view 0 --out two.safetensors --quiet > /dev/null
  "$build/bramble" train lenet --data shapes:600,60 --epochs 3 --out one.safetensors --quiet > /dev/null
  cmp one.safetensors two.safetensors || fail "watching changed the model"
fi
