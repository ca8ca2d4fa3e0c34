# The backend node tests of the onnx package, where a Python with it is at hand (BRAMBLE_PYTHON, else python3): the count passed is printed and does not
# fall below what it was for version 1.23.
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")" && pwd)
python=${BRAMBLE_PYTHON:-python3}
"$python" -c 'import onnx, numpy' 2> /dev/null || { echo "skipped: $python has no onnx (set BRAMBLE_PYTHON)"; exit 77; }
"$build/bramble" help import > /dev/null 2>&1 || { echo "skipped: this build has no ONNX"; exit 77; }
"$python" "$source/reference/onnx_conformance.py" "$build/bramble" 2> /dev/null | tee "$build/onnx_conformance.txt"
passed=$(sed -n 's/^\([0-9]*\) of .*/\1/p' "$build/onnx_conformance.txt")
[ "${passed:-0}" -ge 515 ]
