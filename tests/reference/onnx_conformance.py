"""The backend node tests of the `onnx` package that use operators Bramble reads, on float32 tensors of up to 4 dimensions: onnx_conformance.py BRAMBLE
[FILTER]. A case is run as it is; where that is refused, again with as few of its inputs as possible (never the first) as constants of the model, as they are
in exported files (weights, shapes, limits). Prints the cases that fail and the count passed."""
import itertools
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

OPERATORS = """Conv ConvTranspose BatchNormalization LRN MaxPool AveragePool GlobalAveragePool GlobalMaxPool Gemm MatMul Add Sub Mul Div Pow Sqrt Exp Log Neg
Abs Clip Relu LeakyRelu PRelu Elu Selu Sigmoid HardSigmoid HardSwish Mish Softplus Softsign Tanh Erf Gelu Softmax LogSoftmax Concat Split Slice Pad Reshape
Flatten Transpose Squeeze Unsqueeze Expand Tile Gather ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ArgMax ArgMin
Resize Upsample Shape Cast Constant ConstantOfShape Range Where Equal Less Greater LessOrEqual GreaterOrEqual Identity Dropout LayerNormalization
InstanceNormalization DepthToSpace SpaceToDepth Min Max Mean Sum TopK NonMaxSuppression ReduceLogSum ReduceLogSumExp Floor Ceil Round Sign Reciprocal Not And Or Xor Mod""".split()


def run(bramble, model, inputs, folder):
    path, files = os.path.join(folder, "m.onnx"), []
    onnx.save(model, path)
    for i, (info, x) in enumerate(zip(model.graph.input, inputs)):
        np.save(f"{folder}/in{i}.npy", x.astype(np.uint8) if x.dtype == bool else x)
        files.append(f"{info.name}={folder}/in{i}.npy")
    outs = [f"{info.name}={folder}/out{i}.npy" for i, info in enumerate(model.graph.output)]
    done = subprocess.run([bramble, "predict", path, "--input", ",".join(files), "--output", ",".join(outs)], capture_output=True, text=True, timeout=60)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1] if done.stderr else str(done.returncode)
    return [np.load(f"{folder}/out{i}.npy") for i in range(len(outs))], ""


def with_constants(model, inputs, constants):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for i in reversed(constants):
        copy.graph.initializer.append(numpy_helper.from_array(inputs[i], copy.graph.input[i].name))
        del copy.graph.input[i]
    return copy


def main():
    bramble, want = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    folder, passed, total, failures = tempfile.mkdtemp(), 0, 0, []
    for case in collect_testcases(None):
        if want not in case.name:
            continue
        model = case.model
        opset = max([o.version for o in model.opset_import if o.domain in ("", "ai.onnx")] or [0])
        if any(n.op_type not in OPERATORS or n.domain for n in model.graph.node) or not model.graph.input:
            continue
        inputs, expected = case.data_sets[0]
        tensors = list(inputs) + list(expected)
        if any(not isinstance(t, np.ndarray) or t.dtype not in (np.float32, np.int64, np.bool_, np.uint8) or t.ndim > 4 or t.size == 0 for t in tensors) or inputs[0].dtype != np.float32:
            continue
        total += 1
        found, message = None, ""
        for constants in itertools.chain.from_iterable(itertools.combinations(range(1, len(inputs)), n) for n in range(len(inputs))):
            found, error = run(bramble, with_constants(model, inputs, constants), [x for i, x in enumerate(inputs) if i not in constants], folder)
            message = message or error
            if found is not None:
                message = ""
                break
        if found is not None:
            for e, f in zip(expected, found):
                e, f = e.astype(np.float64), f.astype(np.float64)
                if e.shape != f.shape:
                    message = f"shape {f.shape} for {e.shape}"
                elif not np.allclose(f, e, rtol=1e-3, atol=1e-5, equal_nan=True):
                    message = f"difference {np.nanmax(np.abs(e - f)):.3g}"
        if found is None or message:
            failures.append(f"{case.name} (opset {opset}): {message}")
        else:
            passed += 1
    print("\n".join(failures))
    print(f"{passed} of {total} cases of the onnx package {onnx.__version__} passed")


main()
