"""torchvision's classification networks with random weights, exported by torch.onnx.export, read by Bramble and compared with onnxruntime:
onnx_torchvision.py BRAMBLE [EXPORTER [FILTER]]. EXPORTER is script (the older one), dynamo, both (the default), or quick: script and the nets of QUICK only.
Inputs are small, the nets
are whole. Prints a line a net and the count that passed."""
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
import torch
import torchvision

# One or two of each family, and the side of the pictures: the smallest that the net takes.
NETS = """alexnet:224 vgg11:224 vgg11_bn:224 resnet18:32 resnet50:32 resnext50_32x4d:32 wide_resnet50_2:32 densenet121:32 googlenet:64 inception_v3:75 mobilenet_v2:32
mobilenet_v3_small:32 mobilenet_v3_large:32 mnasnet0_5:32 mnasnet1_0:32 shufflenet_v2_x0_5:32 shufflenet_v2_x1_0:32 squeezenet1_0:64 squeezenet1_1:64 efficientnet_b0:32
efficientnet_v2_s:32 regnet_y_400mf:32 regnet_x_400mf:32 convnext_tiny:32 vit_b_16:32 swin_t:64 swin_v2_t:64 maxvit_t:224""".split()

QUICK = """resnet18 resnext50_32x4d densenet121 googlenet inception_v3 mobilenet_v2 mobilenet_v3_small mnasnet0_5 shufflenet_v2_x0_5 squeezenet1_1
efficientnet_b0 regnet_y_400mf convnext_tiny vit_b_16 swin_t""".split()


def build(name, side):
    make = getattr(torchvision.models, name)
    options = {"weights": None}
    if name.startswith("vit"):
        options["image_size"] = side
    if name in ("googlenet", "inception_v3"):
        options.update(init_weights=False, aux_logits=False)
    torch.manual_seed(1)
    net = make(**options).eval()
    for module in net.modules():  # statistics and scales that are not all 0 and 1
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for parameter in net.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, 0, 0.02)  # heads that start as 0
    return net


def check(bramble, name, side, exporter, folder):
    path = os.path.join(folder, "net.onnx")
    net = build(name, side)
    x = torch.randn(2, 3, side, side)
    with warnings.catch_warnings(), open(os.devnull, "w") as null, contextlib.redirect_stdout(null):  # with gradients: without them attention is exported as one node
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            torch.onnx.export(net, (x,), path, dynamo=True, dynamic_shapes=({0: torch.export.Dim("N", min=1, max=64)},), verbose=False)
        else:
            torch.onnx.export(net, (x,), path, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "N"}, "y": {0: "N"}})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    del session, net
    np.save(f"{folder}/x.npy", x.numpy())
    started = time.time()
    done = subprocess.run([bramble, "predict", path, "--input", f"{folder}/x.npy", "--output", f"{folder}/y.npy"], capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr else f"exit {done.returncode}"
    found = np.load(f"{folder}/y.npy")
    difference = float(np.abs(found - expected).max() / np.abs(expected).max()) if found.shape == expected.shape else float("inf")
    print(f"{name} {side} {exporter}: difference {difference:.2g}, {time.time() - started:.2f} s", flush=True)
    return None if difference < 1e-4 else f"difference {difference:.2g}, shape {found.shape} for {expected.shape}"


logging.disable(logging.WARNING)


def main():
    bramble, exporters = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "both"
    want = sys.argv[3] if len(sys.argv) > 3 else ""
    passed = total = 0
    for exporter in {"both": ["script", "dynamo"], "quick": ["script"]}.get(exporters, [exporters]):
        for entry in NETS:
            name, side = entry.split(":")
            if want not in name or (exporters == "quick" and name not in QUICK):
                continue
            total += 1
            with tempfile.TemporaryDirectory() as folder:
                try:
                    bad = check(bramble, name, int(side), exporter, folder)
                except Exception as error:  # the exporter's own limits
                    bad = f"not exported: {str(error).splitlines()[0][:150]}"
            if bad:
                print(f"FAILED {name} {side} {exporter}: {bad}", flush=True)
            passed += not bad
    print(f"{passed} of {total} exported networks passed")


main()
