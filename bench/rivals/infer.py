"""A rival's inference of one ONNX file on a CPU, float32: prints images per second, median and best; seconds from the start of the process to the first answer; peak RSS in MB;
processor milliseconds a picture, which other work on the machine disturbs least.

usage: infer.py onnxruntime|openvino|ncnn|torch FILE.onnx THREADS [--seconds S] [--net NAME]
Needs numpy and the engine. ncnn reads FILE.ncnn.param and .bin, which pnnx writes from FILE.onnx; torch makes torchvision's net NAME, channels last, inference mode. One
process with batch 1; bench/compare starts as many as a workload says and adds them up. With THREADS 0 the engine's version is printed."""
import time

start = time.time()
import argparse
import resource

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["onnxruntime", "openvino", "ncnn", "torch"])
parser.add_argument("file")
parser.add_argument("threads", type=int)
parser.add_argument("--seconds", type=float, default=4)
parser.add_argument("--net")
args = parser.parse_args()
size = 299 if "inception" in args.file else 224
if args.threads == 0:
    import importlib.metadata

    print(importlib.metadata.version(args.engine))
    raise SystemExit

if args.engine == "onnxruntime":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(args.file, options, providers=["CPUExecutionProvider"])
    shape = [d if isinstance(d, int) else 1 for d in session.get_inputs()[0].shape]
    name = session.get_inputs()[0].name
    x = np.random.default_rng(1).random(shape, dtype=np.float32)
    run = lambda: session.run(None, {name: x})
elif args.engine == "ncnn":
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = args.threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    net.load_param(args.file.removesuffix(".onnx") + ".ncnn.param")
    net.load_model(args.file.removesuffix(".onnx") + ".ncnn.bin")
    x = ncnn.Mat(np.random.default_rng(1).random((3, size, size), dtype=np.float32)).clone()

    def run():
        extractor = net.create_extractor()
        extractor.input("in0", x)
        return np.array(extractor.extract("out0")[1])
elif args.engine == "torch":
    import torch
    import torchvision

    torch.set_num_threads(args.threads)
    options = {"init_weights": False} if "inception" in args.net else {}
    net = getattr(torchvision.models, args.net)(weights=None, **options).eval().to(memory_format=torch.channels_last)
    x = torch.rand(1, 3, size, size).to(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode():
            return net(x).numpy()
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
