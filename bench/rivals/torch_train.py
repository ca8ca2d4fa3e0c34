"""PyTorch on a CPU: training throughput of one net on random tensors in memory. Prints samples per second, median and best step, the seconds from
the start to the end of the first step, and the peak MB.

usage: torch_train.py NET BATCH THREADS [--compile] [--ddp RANK RANKS] [--seconds S]      NET: mobilenetv2 lenet squeezenet mlp
Needs torch (squeezenet: torchvision too). One process; bench/compare_train starts as many as a workload says and adds them up."""
import time

begin = time.time()
import argparse
import os
import resource

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("net")
parser.add_argument("batch", type=int)
parser.add_argument("threads", type=int)
parser.add_argument("--compile", action="store_true")
parser.add_argument("--ddp", type=int, nargs=2, help="gradients averaged over processes by gloo")
parser.add_argument("--seconds", type=float, default=4)
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)


def conv_bn(i, o, kernel=1, stride=1, groups=1, act=True):
    layers = [nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([nn.ReLU6(inplace=True)] if act else []))


class Block(nn.Module):
    def __init__(self, i, o, stride, expand):
        super().__init__()
        deep = i * expand
        self.add = stride == 1 and i == o
        self.body = nn.Sequential(*([conv_bn(i, deep)] if expand != 1 else []), conv_bn(deep, deep, 3, stride, deep), conv_bn(deep, o, act=False))

    def forward(self, x):
        return x + self.body(x) if self.add else self.body(x)


def eights(v):
    n = max(8, int(v + 4) // 8 * 8)
    return n + 8 if n < 0.9 * v else n


class MobileNetV2(nn.Module):
    def __init__(self, width=0.5, classes=10):
        super().__init__()
        i = eights(32 * width)
        layers = [conv_bn(3, i, 3, 2)]
        for expand, out, repeat, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
            for n in range(repeat):
                layers.append(Block(i, eights(out * width), stride if n == 0 else 1, expand))
                i = eights(out * width)
        layers.append(conv_bn(i, 1280))
        self.features, self.fc = nn.Sequential(*layers), nn.Linear(1280, classes)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


def lenet():
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def mlp():
    return nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3))


def squeezenet():
    from torchvision.models import squeezenet1_1
    return squeezenet1_1(num_classes=10)


net = {"mobilenetv2": MobileNetV2, "lenet": lenet, "squeezenet": squeezenet, "mlp": mlp}[args.net]().train()
side = {"mobilenetv2": 128, "squeezenet": 128, "lenet": 32}.get(args.net)
if side:
    net = net.to(memory_format=torch.channels_last)
    x = torch.randn(args.batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (args.batch,))
    batch = lambda: (x, y)
else:
    X, Y = torch.randn(400000, 6), torch.randint(0, 3, (400000,))
    order = torch.randperm(400000).split(args.batch)
    place = iter(range(10**9))
    batch = lambda: (lambda j: (X[j], Y[j]))(order[next(place) % (len(order) - 1)])
model = net
if args.ddp:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29533")
    torch.distributed.init_process_group("gloo", rank=args.ddp[0], world_size=args.ddp[1])
    model = nn.parallel.DistributedDataParallel(net, gradient_as_bucket_view=True)
if args.compile:
    model = torch.compile(model)
optimiser = torch.optim.Adam(net.parameters()) if args.net == "mlp" else torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)


def step():
    optimiser.zero_grad(set_to_none=True)
    a, b = batch()
    F.cross_entropy(model(a), b).backward()
    optimiser.step()


step()
first = time.time() - begin
times = []


def timed(seconds, least=0):
    end = time.time() + seconds
    while time.time() < end or len(times) < least:
        start = time.time()
        step()
        times.append(time.time() - start)


for _ in range(5):
    step()
if args.ddp:  # all processes make the same number of steps
    timed(0, 5)
    count = torch.tensor([int(args.seconds / (sum(times) / len(times))) + 1])
    torch.distributed.broadcast(count, 0)
    times = []
    timed(0, int(count))
else:
    timed(args.seconds)
times.sort()
print(f"{args.batch / times[len(times) // 2]:.1f} {args.batch / times[0]:.1f} {first:.2f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
if args.ddp:
    torch.distributed.destroy_process_group()
