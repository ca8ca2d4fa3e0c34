# Exported nets against onnx.checker and onnxruntime, where a Python with onnx and onnxruntime is at hand (BRAMBLE_PYTHON, else python3).
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")" && pwd)
python=${BRAMBLE_PYTHON:-python3}
"$python" -c 'import onnx, onnxruntime' 2> /dev/null || { echo "skipped: $python has no onnx and onnxruntime (set BRAMBLE_PYTHON)"; exit 77; }
"$build/bramble" help export > /dev/null 2>&1 || { echo "skipped: this build has no ONNX"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# Some steps: statistics after a single one are so far from the values that engines differ from themselves.
for net in lenet mobilenetv2 mobilenetv3-small resnet20; do
  "$build/bramble" train $net --data shapes:64,8 --batch 8 --micro-batch 8 --epochs 1 --quiet --out $net.safetensors > train.log 2>&1 || { cat train.log; echo "FAILED: training $net"; exit 1; }
done
"$python" "$source/reference/onnx_check.py" "$build/bramble" ./*.safetensors || { echo "FAILED"; exit 1; }
