# torchvision's classification networks (random weights) as PyTorch exports them, against onnxruntime, where a Python with torch, torchvision, onnx and onnxruntime is
# at hand (RIVALS_PYTHON, else python3). A quick part of them is run; the whole is: tests/reference/onnx_torchvision.py BRAMBLE.
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")" && pwd)
python=${RIVALS_PYTHON:-python3}
"$python" -c 'import torch, torchvision, onnx, onnxruntime' 2> /dev/null || { echo "skipped: $python has no torch, torchvision, onnx and onnxruntime (set RIVALS_PYTHON)"; exit 77; }
"$build/bramble" help import > /dev/null 2>&1 || { echo "skipped: this build has no ONNX"; exit 77; }
"$python" "$source/reference/onnx_torchvision.py" "$build/bramble" quick 2> /dev/null | tee "$build/onnx_torchvision.txt"
tail -n 1 "$build/onnx_torchvision.txt" | grep -Eq '^([0-9]+) of \1 ' || { echo FAILED; exit 1; }
