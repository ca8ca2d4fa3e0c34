# --view: the page of a run while it goes on, read only and for this machine only, by curl and by a real Chromium where there is one; and what it costs (reported, not asserted).
. "$(dirname "$0")/head.bash"
run=
trap '[ -z "$run" ] || { kill -KILL $run 2> /dev/null || true; wait $run 2> /dev/null || true; }; rm -rf "$folder"' EXIT
command -v curl > /dev/null || skip "no curl"
look() { curl -s --max-time 10 "$@"; }
timeout -k 5 60 "$build/bramble" train lenet --data shapes:40,20 --epochs 1 --view 0 --quiet > /dev/null 2> first.err || { grep -q 'without libmicrohttpd' first.err && skip "built without libmicrohttpd"; cat first.err; exit 1; }
url() { for _ in $(seq 300); do address=$(sed -n 's/^watch it at //p' "$1"); [ -z "$address" ] || return 0; sleep 0.1; done; fail "no address: $(cat "$1")"; }
wait_for() { for _ in $(seq 300); do look "${address}now" > now.html && grep -q "$1" now.html && return 0; sleep 0.1; done; fail "$1 is not on the page: $(cat now.html)"; }
# $run ends by itself within 30 s; if it does not, where its threads stand is shown.
ended() {
  for _ in $(seq 300); do kill -0 $run 2> /dev/null || { wait $run || true; run=; return 0; }; sleep 0.1; done
  for task in /proc/$run/task/*; do echo "$(cat $task/comm): $(cat $task/wchan 2> /dev/null) $(cat $task/syscall 2> /dev/null)"; done
  ! command -v gdb > /dev/null || timeout -k 5 30 gdb -p $run -batch -ex 'thread apply all backtrace' 2> /dev/null || true
  tail -n 5 ./*err
  fail "$1 does not end"
}

: > err
"$build/bramble" train lenet --data shapes:1000,100 --epochs 100000 --threads 1 --view 0 > out 2> err &
run=$!
url err
case $address in http://127.0.0.1:*) ;; *) fail "$address is open to others" ;; esac
wait_for '<figcaption>Accuracy, %'
look -i "$address" > page
grep -q '^HTTP/1.1 200' page && grep -q '<title>lenet on shapes</title>' page && grep -q '<td class="f">0</td>' page || fail "the page: $(head -30 page)"
grep -E 'src=|href=|url\(|@import' page && fail "the page refers to something outside"
[ "$(look -o /dev/null -w '%{http_code}' "${address}none")" = 404 ] || fail "a page that is not there"
for method in POST PUT DELETE; do [ "$(look -o /dev/null -w '%{http_code}' -X $method "$address")" = 405 ] || fail "$method is answered"; done
port=$(printf '%04X' "$(echo "$address" | sed 's/.*:\([0-9]*\).*/\1/')")
grep -qi " 0100007F:$port " /proc/net/tcp || fail "bound to more than localhost"
timeout -k 5 60 "$build/bramble" train lenet --data shapes:40,20 --epochs 1 --view "$(echo "$address" | sed 's/.*:\([0-9]*\).*/\1/')" 2>&1 | grep -q 'cannot be served: Address already in use' || fail "a taken port"
"$build/bramble" train lenet --view here 2>&1 | grep -q 'a port from 0 to 65535' || fail "no port"

# A browser that looks every two seconds for a minute asks 30 times.
ticks() { for task in /proc/$run/task/*; do ! grep -qi mhd "$task/comm" || cat "$task/stat"; done | awk '{ sum += $14 + $15 } END { print sum + 0 }'; }
before=$(ticks)
for _ in $(seq 30); do look "${address}now" > /dev/null; done
echo "30 looks took $(($(ticks) - before)) of the 6,000 clock ticks of a minute"

# Nothing of the browser may outlive it or hold this test's output: no helpers in the background, no pipes.
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -n "$browser" ]; then
  browse() { # file for what it prints, options
    printed=$1
    shift
    timeout -k 5 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-quic --disable-crash-reporter --disable-breakpad \
      --user-data-dir="$folder/profile" --virtual-time-budget=7000 "$@" "$address" > "$printed" 2> browser.err < /dev/null
  }
  # A machine that starves the browser is no fault of the page, if the page is still there.
  not_seen() { [ "$1" -ge 124 ] && look "$address" > /dev/null && echo "not seen in a browser: it was not done within 120 s" || fail "Chromium failed: $(tail -3 browser.err)"; }
  if browse dom.html --dump-dom && browse browser.out --screenshot="$folder/page.png" --window-size=1100,1400; then
    grep -q '<figcaption>Loss as it goes' dom.html && grep -q '<svg ' dom.html || fail "what Chromium shows"
    # The script has put new text in: it was heard of between the look of curl and that of the script.
    [ "$(grep -o 'running for [^,]*' dom.html)" != "$(grep -o 'running for [^,]*' page)" ] || fail "the page stands still"
    [ "$(wc -c < page.png)" -gt 20000 ] || fail "the screenshot is empty"
    echo "seen in $(timeout -k 5 20 "$browser" --version 2> /dev/null | head -1)"
  else
    not_seen $?
  fi
else
  echo "not seen in a browser: no chromium"
fi

# Ctrl-C ends it while pages are asked for and a browser's connection is kept open.
exec 3<> "/dev/tcp/127.0.0.1/$(echo "$address" | sed 's/.*:\([0-9]*\).*/\1/')"
printf 'GET / HTTP/1.1\r\nHost: here\r\n\r\n' >&3
while look "${address}now" > /dev/null; do :; done &
looking=$!
kill -INT $run
ended "a run that is watched"
wait $looking || true
exec 3>&-
look "$address" > /dev/null && fail "it is served after the end"

if has_yaml; then
  cat > s.yaml <<'E2'
name: s
factors: {i: [1, 2, 3]}
timeout: 60
run: "! sh -c 'while [ {i} = 2 ] && [ ! -e seen ]; do sleep 0.1; done'"
metrics: {wall: {measure: wall_seconds}}
E2
  : > sweep.err # not err, which has the address of the run before until the shell has emptied it
  "$build/bramble" sweep s.yaml --view 0 > out 2> sweep.err &
  run=$!
  url sweep.err
  wait_for '1 of 3 runs.*now i=2'
  grep -q '<td class="f">i=1</td><td>1</td><td class="f">ok ' now.html || fail "the runs of a sweep: $(cat now.html)"
  touch seen
  ended "a sweep that is watched"
fi
if command -v mpiexec > /dev/null; then
  timeout -k 5 120 mpiexec -n 2 "$build/bramble" train lenet --data shapes:600,60 --epochs 3 --threads 1 --view 0 --out two.safetensors --quiet > /dev/null
  timeout -k 5 60 "$build/bramble" train lenet --data shapes:600,60 --epochs 3 --out one.safetensors --quiet > /dev/null
  cmp one.safetensors two.safetensors || fail "watching changed the model"
fi
