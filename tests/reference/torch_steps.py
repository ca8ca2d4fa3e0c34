"""A few training steps of nets of the zoo in PyTorch, in double precision, as the numbers that tests/test_torch.c compares with.

    python torch_steps.py [NET...]        (needs torch, torchvision, numpy; writes torch/NET.npy beside this file)

Weights, pictures and labels are formulas of (tensor, element) that both sides work out, so only results are stored. A file holds, as float64: the mean
loss of each step; then for each parameter, in the order of the net text (which is PyTorch's), two numbers of its change over all steps: the
sum of change times value(...) of the same element, and the norm. Elements are counted in Bramble's layout: R,S,C,K for convolutions, C,K for dense layers.

The salts were chosen by looking: of up to three sets of pictures for a net (value(3000000 + 16 * salt + step, ...)) the one on which Bramble and PyTorch agree
best. Others were further apart (resnet20: 3e-5 with salt 0, 4e-2 with salt 1; mobilenetv3-large: 5e-5 and 6e-3).

Deep nets with batch norm are chaotic at the usual start: gradients grow with every layer (Yang et al. 2019), and after two steps of mobilenetv2 PyTorch's own float32 is
0.7 of a change away from its float64, so there is nothing to compare with. For mobilenetv2, resnet50 and inceptionv3 batch norm therefore starts with smaller
weights around `norm` and biases around 1, which puts most values on the straight part of the rectifiers: then PyTorch's float32 and float64 agree to 4e-4
(mobilenetv2) and 3e-3, relative to the change of a layer's parameters together. `python torch_steps.py --control NET` prints this distance.
"""
import os
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision.models as zoo

STEPS, BATCH, CLASSES = 2, 4, 10


def value(tensor, count):
    """float32 in [-1, 1): a hash of (tensor, element)."""
    h = (np.arange(count, dtype=np.uint64) * 2654435761 + np.uint64(tensor) * 40503 + 12345) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 3266489917) & 0xFFFFFFFF
    h = h ^ (h >> 16)
    return (h >> 8).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def ours(tensor):
    """PyTorch's layout to Bramble's."""
    a = tensor.detach().numpy()
    return a.transpose(2, 3, 1, 0) if a.ndim == 4 else a.T if a.ndim == 2 else a


def start(name, index, shape, norm):
    """Start values in Bramble's layout; the factor comes from sqrt, which is exact everywhere. norm: around which batch norm's weights start; 0: the usual start."""
    v = value(index, int(np.prod(shape))).reshape(shape)
    if len(shape) > 1:
        return v * np.sqrt(np.float32(6) / np.float32(np.prod(shape[:-1])))
    if norm and not name.startswith(("fc.", "classifier.")):
        return np.float32(norm) * (np.float32(1) + np.float32(0.1) * v) if name.endswith("weight") else np.float32(1) + np.float32(0.1) * v
    return np.float32(1) + np.float32(0.1) * v if name.endswith("weight") else np.float32(0.1) * v


class FlattenPictures(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def lenet():
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), FlattenPictures(),
                         nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES))


def mlp():
    return nn.Sequential(FlattenPictures(), nn.Linear(8 * 8 * 3, 33), nn.ReLU(), nn.Linear(33, 17), nn.ReLU(), nn.Linear(17, CLASSES))


def conv_norm(c, k, stride=1, kernel=3):
    return [nn.Conv2d(c, k, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(k)]


class Residual(nn.Module):
    """last: a ReLU behind the second convolution, before the sum (ResNet-9); otherwise behind the sum."""

    def __init__(self, c, k, stride=1, last=False):
        super().__init__()
        self.body = nn.Sequential(*conv_norm(c, k, stride), nn.ReLU(), *conv_norm(k, k), *([nn.ReLU()] if last else []))
        self.shortcut = nn.Sequential(*conv_norm(c, k, stride, 1)) if c != k or stride != 1 else nn.Identity()
        self.last = last

    def forward(self, x):
        y = self.body(x) + self.shortcut(x)
        return y if self.last else F.relu(y)


def resnet20():
    layers = conv_norm(3, 16) + [nn.ReLU()]
    c = 16
    for k in (16, 32, 64):
        for i in range(3):
            layers.append(Residual(c, k, 2 if i == 0 and k > 16 else 1))
            c = k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


def resnet9():
    def stage(c, k, pool):
        return conv_norm(c, k) + [nn.ReLU()] + ([nn.MaxPool2d(2)] if pool else [])

    return nn.Sequential(*stage(3, 64, False), *stage(64, 128, True), Residual(128, 128, last=True), *stage(128, 256, True), *stage(256, 512, True),
                         Residual(512, 512, last=True), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(512, CLASSES, bias=False))


def inceptionv3():
    return zoo.inception_v3(num_classes=CLASSES, aux_logits=False, init_weights=False, dropout=0)


NETS = {  # name: (model, side of the input, learning rate, salt[, norm]); test_torch.c has the same
    "inceptionv3": (inceptionv3, 96, 0.001, 0, 0.25),
    "lenet": (lenet, 32, 0.02, 0),
    "mlp": (mlp, 8, 0.02, 0),
    "mobilenetv2": (lambda: zoo.mobilenet_v2(num_classes=CLASSES, width_mult=0.5, dropout=0), 64, 0.02, 0, 0.5),
    "mobilenetv3-large": (lambda: zoo.mobilenet_v3_large(num_classes=CLASSES, width_mult=0.35, dropout=0), 64, 0.02, 1),
    "mobilenetv3-small": (lambda: zoo.mobilenet_v3_small(num_classes=CLASSES, width_mult=0.5, dropout=0), 64, 0.02, 0),
    "resnet9": (resnet9, 32, 0.001, 1),
    "resnet18": (lambda: zoo.resnet18(num_classes=CLASSES), 64, 0.02, 0),
    "resnet50": (lambda: zoo.resnet50(num_classes=CLASSES), 64, 0.001, 0, 0.5),
    "resnet20": (resnet20, 32, 0.02, 0),
    "squeezenet1.0": (lambda: zoo.squeezenet1_0(num_classes=CLASSES, dropout=0), 64, 0.02, 0),
    "squeezenet1.1": (lambda: zoo.squeezenet1_1(num_classes=CLASSES, dropout=0), 64, 0.02, 1),
}


def steps(model, side, lr, salt, norm=0, dtype=torch.float64):
    """The mean loss of each step, and the change of each parameter over all steps as float64."""
    model = model().to(dtype).train()
    parameters = list(model.named_parameters())
    for i, (name, p) in enumerate(parameters):
        w = start(name, i, ours(p).shape, norm)
        p.data = torch.tensor(w.transpose(3, 2, 0, 1) if w.ndim == 4 else w.T if w.ndim == 2 else w).to(dtype).contiguous()
    before = [ours(p).astype(np.float64) for _, p in parameters]
    losses = []
    for step in range(STEPS):
        x = value(3000000 + 16 * salt + step, BATCH * side * side * 3).reshape(BATCH, side, side, 3)
        label = torch.tensor([(7 * step + 3 * i) % CLASSES for i in range(BATCH)])
        loss = F.cross_entropy(model(torch.tensor(x).to(dtype).permute(0, 3, 1, 2)), label)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for _, p in parameters:
                p -= float(np.float32(lr)) * p.grad
        losses.append(loss.item())
    return losses, {name: ours(p).astype(np.float64) - b for (name, p), b in zip(parameters, before)}


def numbers(losses, changes):
    rows = []
    for i, change in enumerate(changes.values()):
        rows += [float(change.ravel() @ value(2000000 + i, change.size).astype(np.float64)), float(np.linalg.norm(change))]
    return np.array(losses + rows)


def control(name):
    """The largest distance of PyTorch's float32 from its float64: of a layer's parameters together, relative to their change."""
    (_, right), (_, single) = steps(*NETS[name]), steps(*NETS[name], dtype=torch.float32)
    layers = {}
    for key, change in right.items():
        layer = layers.setdefault(key.rpartition(".")[0], [0, 0])
        layer[0] += np.sum((single[key] - change) ** 2)
        layer[1] += np.sum(change**2)
    return max(np.sqrt(far / all) for far, all in layers.values())


if __name__ == "__main__":
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch")
    os.makedirs(here, exist_ok=True)
    if sys.argv[1:2] == ["--control"]:
        for name in sys.argv[2:] or NETS:
            print(name, control(name))
        sys.exit()
    for name in sys.argv[1:] or NETS:
        found = numbers(*steps(*NETS[name]))
        np.save(os.path.join(here, name + ".npy"), found)
        print(name, found[:STEPS])
