"""An MLP 6-64-64-32-3 in PyTorch on the columns of a CSV file, standardised, Adam, batches of 1,024, 2 threads. Prints: seconds of the training, accuracy on the
test file, peak MB.

usage: table_mlp.py TRAIN.csv TEST.csv EPOCHS"""
import resource
import sys
import time

import numpy as np
import polars as pl
import torch
import torch.nn as nn

train, test, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(2)
torch.manual_seed(1)
names = sorted(pl.read_csv(train)["class"].unique())


def load(path):
    d = pl.read_csv(path)
    return d.drop("class").to_numpy().astype(np.float32), np.array([names.index(c) for c in d["class"]])


x, y = load(train)
xt, yt = load(test)
mean, deviation = x.mean(0), x.std(0)
x, xt = (torch.from_numpy((v - mean) / deviation) for v in (x, xt))
y = torch.from_numpy(y)
net = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3))
steps = epochs * (len(x) // 1024)
optimiser = torch.optim.Adam(net.parameters(), 1e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
begin = time.time()
for _ in range(epochs):
    order = torch.randperm(len(x))
    for at in range(0, len(x) - 1023, 1024):
        rows = order[at : at + 1024]
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimiser.step()
        schedule.step()
seconds = time.time() - begin
accuracy = (net(xt).argmax(1).numpy() == yt).mean()
print(f"{seconds:.4f} {accuracy:.4f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
