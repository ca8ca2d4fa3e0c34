"""Models of tables as ONNX against onnxruntime: onnx_tables.py BRAMBLE DATA.csv MODEL.safetensors ... exports each model, checks the file with onnx.checker, and
compares what onnxruntime and bramble say of every row of the data. Prints a line a model and the count that passed."""
import csv
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime


def columns(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    return {name: [row[i] if i < len(row) else "" for row in rows[1:]] for i, name in enumerate(rows[0])}  # a row without an answer is an empty line


def check(bramble, data, model, folder):
    path, predicted = os.path.join(folder, "t.onnx"), os.path.join(folder, "p.csv")
    subprocess.run([bramble, "export", model, "--out", path], check=True)
    onnx.checker.check_model(path, full_check=True)
    subprocess.run([bramble, "predict", model, "--data", data, "--out", predicted, "--probabilities"], check=True, stdout=subprocess.DEVNULL)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    table, feed = columns(data), {}
    for value in session.get_inputs():
        text = table[value.name]
        feed[value.name] = np.array([[t] for t in text], dtype=object) if value.type == "tensor(string)" else np.array([[float(t) if t else np.nan] for t in text])
    found = dict(zip([o.name for o in session.get_outputs()], session.run(None, feed)))
    wanted = columns(predicted)
    answered = np.array([p != "" for p in wanted["prediction"]])
    if "probabilities" not in found:
        expected = np.array([float(p) if p else np.nan for p in wanted["prediction"]])
        far = np.abs(found["prediction"] - expected)[answered].max() / max(1, np.abs(expected[answered]).max())
        missing = np.isnan(found["prediction"][~answered]).all()
    else:
        expected = np.array([[float(v) if v else np.nan for v in column] for name, column in wanted.items() if name not in ("prediction", "probability")]).T
        far = np.abs(found["probabilities"] - expected)[answered].max()
        sure = answered & (np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > 1e-6)  # what is likeliest is not a matter of rounding
        wrong = int((found["prediction"] != np.array(wanted["prediction"], dtype=object))[sure].sum())
        missing = np.isnan(found["probabilities"][~answered]).all() and not wrong
    print(f"{os.path.basename(model)}: {len(answered)} rows, difference {far:.2g}", flush=True)
    return bool(far < 1e-6 and missing)


def main():
    bramble, data, models = sys.argv[1], sys.argv[2], sys.argv[3:]
    with tempfile.TemporaryDirectory() as folder:
        passed = sum(check(bramble, data, model, folder) for model in models)
    print(f"{passed} of {len(models)} models passed")
    sys.exit(passed < len(models))


main()
