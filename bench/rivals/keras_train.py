"""Keras on TensorFlow, on a CPU: training throughput of model.fit on random arrays in memory. Prints samples per second, median and best epoch, the
seconds from the start to the end of the first step, and the peak MB.

usage: keras_train.py NET BATCH THREADS [--compile] [--seconds S]      NET: mobilenetv2 lenet mlp
Needs keras and tensorflow-cpu. --compile: by XLA."""
import time

begin = time.time()
import argparse
import os
import resource

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
import keras
from keras import layers

parser = argparse.ArgumentParser()
parser.add_argument("net")
parser.add_argument("batch", type=int)
parser.add_argument("threads", type=int)
parser.add_argument("--compile", action="store_true")
parser.add_argument("--seconds", type=float, default=4)
args = parser.parse_args()
tf.config.threading.set_intra_op_parallelism_threads(args.threads)
tf.config.threading.set_inter_op_parallelism_threads(args.threads)


def lenet():
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(6, 5, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(),
                             layers.Flatten(), layers.Dense(120, "relu"), layers.Dense(84, "relu"), layers.Dense(10, "softmax")])


def mlp():
    return keras.Sequential([keras.Input((6,)), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(32, "relu"), layers.Dense(3, "softmax")])


def mobilenetv2():
    return keras.applications.MobileNetV2(input_shape=(128, 128, 3), alpha=0.5, weights=None, classes=10)


net = {"mobilenetv2": mobilenetv2, "lenet": lenet, "mlp": mlp}[args.net]()
steps = {"mobilenetv2": 20, "lenet": 200, "mlp": 400}[args.net]
rows, random = args.batch * steps, np.random.default_rng(1)
x = random.standard_normal((rows, *net.input_shape[1:]), np.float32)
y = random.integers(0, net.output_shape[1], rows)
optimiser = keras.optimizers.Adam() if args.net == "mlp" else keras.optimizers.SGD(0.01, momentum=0.9)
net.compile(optimizer=optimiser, loss="sparse_categorical_crossentropy", jit_compile=args.compile)
net.fit(x[: args.batch], y[: args.batch], batch_size=args.batch, verbose=0)
first = time.time() - begin
net.fit(x, y, batch_size=args.batch, verbose=0)
times, end = [], time.time() + args.seconds
while time.time() < end or len(times) < 3:
    start = time.time()
    net.fit(x, y, batch_size=args.batch, verbose=0)
    times.append(time.time() - start)
times.sort()
print(f"{rows / times[len(times) // 2]:.1f} {rows / times[0]:.1f} {first:.2f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
