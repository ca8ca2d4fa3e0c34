"""Checks ONNX files against onnx.checker and onnxruntime: onnx_check.py BRAMBLE MODEL.safetensors ... exports each model, checks the file, and compares
the answers of bramble on the model, of bramble on the exported file and of onnxruntime on the exported file for random input."""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

bramble, bad = sys.argv[1], 0
folder = tempfile.mkdtemp()
for model in sys.argv[2:]:
    path = os.path.join(folder, "m.onnx")
    subprocess.run([bramble, "export", model, "--out", path], check=True)
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feed, files, outputs = {}, [], []
    for i, value in enumerate(session.get_inputs()):
        x = rng.standard_normal([3 if isinstance(d, str) else d for d in value.shape]).astype(np.float32)
        feed[value.name] = x
        np.save(os.path.join(folder, f"in{i}.npy"), x)
        files.append(f"{value.name}={folder}/in{i}.npy")
    expected = session.run(None, feed)
    names = [value.name for value in session.get_outputs()]
    outputs = [f"{name}={folder}/out{i}.npy" for i, name in enumerate(names)]
    subprocess.run([bramble, "predict", path, "--input", ",".join(files), "--output", ",".join(outputs)], check=True)
    for i, e in enumerate(expected):
        found = np.load(f"{folder}/out{i}.npy")
        difference = np.abs(found - e).max() / max(np.abs(e).max(), 1e-30)
        print(f"{os.path.basename(model)} {names[i]} {e.shape}: difference {difference:.2g}")
        bad += not difference < 1e-4
sys.exit(1 if bad else 0)
