# Memory: InceptionV3 under a limit of the system is refused alone with exit 5 and the numbers, runs in stages on 2 and 3 ranks under the same limit, and alone with
# its weights read from the file layer by layer; the answers are the same bytes.
build=$(cd "$1" && pwd)
bramble=$build/bramble
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*"; exit 1; }
case $(cat "$build/CMakeCache.txt") in *fsanitize*) echo "skipped: a sanitizer needs more memory than the limits of this test"; exit 77 ;; esac
command -v mpiexec > /dev/null || { echo "skipped: no mpiexec"; exit 77; }

"$bramble" train inceptionv3 --input 107 --epochs 0 --classes 1000 --data shapes:107,8 --batch 2 --micro-batch 1 --quiet --out m.safetensors > train.log 2>&1 || { cat train.log; fail "a model"; }
predict="predict m.safetensors --data shapes:107,7 --threads 1" three="predict m.safetensors --data shapes:107,7 --threads 3"
"$bramble" $predict --out whole.csv > whole.log 2>&1 || { cat whole.log; fail "without a limit"; }

(ulimit -d 100000 && "$bramble" $predict --out none.csv > refused.log 2>&1)
code=$?
[ $code = 5 ] && [ "$(wc -l < refused.log)" = 1 ] && grep -q "needs [0-9]* MB and may take [0-9]* MB" refused.log || fail "exit 5 and one line with the numbers were expected, $code came: $(cat refused.log)"
[ ! -e none.csv ] || fail "a refused run left a file"
for ranks in 2 3; do
  (ulimit -d 100000 && mpiexec -n $ranks "$bramble" $predict --stages auto --memory 92MB --out $ranks.csv > $ranks.log 2>&1) || { cat $ranks.log; fail "$ranks stages under the limit"; }
  grep -q "layer by layer" $ranks.log && fail "$ranks stages did not fit: $(cat $ranks.log)"
  cmp whole.csv $ranks.csv || fail "$ranks stages give other bytes"
done
"$bramble" $predict --memory 90MB --out streamed.csv > streamed.log 2>&1 || { cat streamed.log; fail "streaming the weights"; }
grep -q "layer by layer" streamed.log || fail "nothing was said of streaming: $(cat streamed.log)"
cmp whole.csv streamed.csv || fail "streamed weights give other bytes"
"$bramble" $three --memory 90MB --out streamed.csv > streamed.log 2>&1 && cmp whole.csv streamed.csv || fail "streamed weights on three threads"
"$bramble" $predict --memory 9MB > small.log 2>&1
code=$?
[ $code = 5 ] && [ "$(wc -l < small.log)" = 1 ] || fail "less than streaming needs: exit 5 and one line were expected, $code came: $(cat small.log)"
