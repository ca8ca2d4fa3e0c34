"""mobilenetv2 0.5 on CIFAR-10 enlarged to 128x128, as a user of torchvision writes it: files, resize, flip, normalise, DataLoader, PyTorch. Prints
images per second of the second epoch (twice, in place of median and best), the seconds from the start to the end of the first step, and the peak MB of all processes.

usage: torch_cifar10.py FOLDER LOADERS THREADS [IMAGES]      FOLDER: with data_batch_1.bin ...; LOADERS: processes of the DataLoader, 0 for none"""
import time

begin = time.time()
import os
import resource
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision import transforms
from torchvision.models import mobilenet_v2

folder, loaders, threads, images = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int((sys.argv + ["960"])[4])
torch.set_num_threads(threads)
torch.manual_seed(1)


class Cifar10(torch.utils.data.Dataset):
    def __init__(self, transform):
        rows = np.concatenate([np.fromfile(os.path.join(folder, f"data_batch_{i}.bin"), np.uint8) for i in range(1, 6)]).reshape(-1, 3073)
        self.label, self.transform = rows[:, 0].astype(int), transform
        self.picture = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))

    def __len__(self):
        return images

    def __getitem__(self, i):
        return self.transform(Image.fromarray(self.picture[i])), int(self.label[i])


transform = transforms.Compose([transforms.Resize(128), transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.262))])
loader = torch.utils.data.DataLoader(Cifar10(transform), 24, shuffle=True, num_workers=loaders, drop_last=True, persistent_workers=loaders > 0)
net = mobilenet_v2(width_mult=0.5, num_classes=10, dropout=0.0).to(memory_format=torch.channels_last).train()
optimiser = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
first = 0
for epoch in range(2):
    start, seen = time.time(), 0
    for x, y in loader:
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(net(x.to(memory_format=torch.channels_last)), y).backward()
        optimiser.step()
        seen += len(y)
        first = first or time.time() - begin
    rate = seen / (time.time() - start)
del loader
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + loaders * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"{rate:.1f} {rate:.1f} {first:.2f} {peak / 1024:.0f}")
