"""Federated averaging by Flower: a server and two clients on this machine, lenet on CIFAR-10 in PyTorch, batch 32, two rounds of one local epoch, each
evaluated by both clients on the test part. Prints the seconds of the whole job and the peak MB of its three processes together.

usage: flower_lenet.py FOLDER [server|client NUMBER]      FOLDER: with data_batch_1.bin ...; needs flwr, torch, psutil"""
import os
import subprocess
import sys
import time

import numpy as np

folder, role = sys.argv[1], (sys.argv + ["all"])[2]
address, rounds = "127.0.0.1:8099", 2


def load(files, client=None):
    import torch
    rows = np.concatenate([np.fromfile(os.path.join(folder, f), np.uint8) for f in files]).reshape(-1, 3073)
    rows = rows if client is None else rows[client::2]
    return torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32)).float().div_(127.5).sub_(1), torch.from_numpy(rows[:, 0].astype(np.int64))


def server():
    from flwr.server import ServerConfig, start_server
    from flwr.server.strategy import FedAvg
    start_server(server_address=address, config=ServerConfig(num_rounds=rounds), strategy=FedAvg(min_fit_clients=2, min_available_clients=2, min_evaluate_clients=2))


def client(number):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from flwr.client import NumPyClient, start_client
    torch.set_num_threads(1)
    x, y = load([f"data_batch_{i}.bin" for i in range(1, 6)], number)
    x_test, y_test = load(["test_batch.bin"])
    net = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))

    class Client(NumPyClient):
        def get_parameters(self, config):
            return [value.numpy() for value in net.state_dict().values()]

        def take(self, parameters):
            net.load_state_dict(dict(zip(net.state_dict(), map(torch.tensor, parameters))))

        def fit(self, parameters, config):
            self.take(parameters)
            optimiser, order = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9), torch.randperm(len(x))
            for rows in order[: len(x) // 32 * 32].split(32):
                optimiser.zero_grad(set_to_none=True)
                F.cross_entropy(net(x[rows]), y[rows]).backward()
                optimiser.step()
            return self.get_parameters({}), len(x), {}

        def evaluate(self, parameters, config):
            self.take(parameters)
            with torch.no_grad():
                answer = torch.cat([net(part) for part in x_test.split(500)])
            return float(F.cross_entropy(answer, y_test)), len(y_test), {"accuracy": float((answer.argmax(1) == y_test).float().mean())}

    start_client(server_address=address, client=Client().to_client())


def everything():
    import psutil
    begin = time.time()
    run = lambda *arguments: subprocess.Popen([sys.executable, __file__, folder, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = [run("server")]
    time.sleep(2)  # clients need it to listen
    started += [run("client", str(i)) for i in (0, 1)]
    peak = 0
    while started[0].poll() is None:
        try:
            peak = max(peak, sum(psutil.Process(p.pid).memory_info().rss for p in started if p.poll() is None))
        except psutil.Error:
            pass
        time.sleep(0.1)
    seconds = time.time() - begin
    for p in started[1:]:
        p.terminate()
        p.wait()
    if started[0].returncode:
        sys.exit("the server failed")
    print(f"{seconds:.2f} {seconds:.2f} - {peak / 2**20:.0f}")


{"all": everything, "server": server, "client": lambda: client(int(sys.argv[3]))}[role]()
