"""A rival's inference of one ONNX file on a CPU, float32: prints images per second, median and best; seconds from the start of the process to the first answer; peak RSS in MB;
processor milliseconds a picture, which other work on the machine disturbs least.

usage: infer.py onnxruntime|openvino FILE.onnx THREADS [--seconds S]
Needs numpy and the engine. One process with batch 1; bench/compare starts as many as a workload says and adds them up."""
import time

start = time.time()
import argparse
import resource

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["onnxruntime", "openvino"])
parser.add_argument("file")
parser.add_argument("threads", type=int)
parser.add_argument("--seconds", type=float, default=4)
args = parser.parse_args()

if args.engine == "onnxruntime":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(args.file, options, providers=["CPUExecutionProvider"])
    shape = [d if isinstance(d, int) else 1 for d in session.get_inputs()[0].shape]
    name = session.get_inputs()[0].name
    x = np.random.default_rng(1).random(shape, dtype=np.float32)
    run = lambda: session.run(None, {name: x})
else:
    import openvino

    model = openvino.Core().read_model(args.file)
    shape = [d.get_length() if d.is_static else 1 for d in model.input(0).get_partial_shape()]
    model.reshape(shape)
    settings = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    x = np.random.default_rng(1).random(shape, dtype=np.float32)
    run = lambda: request.infer({0: x}, share_inputs=True, share_outputs=True)

run()
first = time.time() - start
for _ in range(3):
    run()
times = []
processor = time.process_time()
begin = time.time()
while time.time() - begin < args.seconds or len(times) < 5:
    t = time.time()
    run()
    times.append(time.time() - t)
processor = (time.process_time() - processor) / len(times)
times.sort()
print(f"{1 / times[len(times) // 2]:.2f} {1 / times[0]:.2f} {first:.3f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} {processor * 1000:.3f}")
