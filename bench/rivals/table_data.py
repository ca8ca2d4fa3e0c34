"""Writes the CSV files that bench/compare table-* measures on. Needs numpy and polars.

usage: table_data.py linear|tree|boost|higgs|sdss FOLDER [HIGGS.train HIGGS.test | SDSS.csv]
linear: 9,600,000 rows year, odometer, price, one price in 500 missing. tree: 88,000 rows x 12 in 320 classes, three Gaussian clusters each, uneven
sizes, 8 % wrong, 4 coarse columns; 70 % to train. boost: 1,000,000 + 200,000 rows x 28. higgs: the sample of LightGBM's examples (label first, tabs). sdss: 70 % of the
spectra, again and again up to 400,000 rows, to train; the rest to test."""
import os
import sys

import numpy as np
import polars as pl


def write(folder, name, columns):
    pl.DataFrame(columns).write_csv(os.path.join(folder, name))


def linear(folder):
    random, rows = np.random.default_rng(96), 9600000
    year = random.integers(1990, 2024, rows)
    odometer = np.maximum(0, random.normal((2024 - year) * 11000, 30000)).astype(int)
    price = np.maximum(300, 900.0 * (year - 1990) - 0.05 * odometer + 9000 + random.normal(0, 4000, rows)).round(2)
    price = pl.Series(price).to_frame("p").with_columns(pl.when(pl.Series(random.random(rows) < 0.002)).then(None).otherwise(pl.col("p")).alias("p"))["p"]
    write(folder, "linear.csv", {"year": year, "odometer": odometer, "price": price})


def tree(folder):
    random, classes, rows, width = np.random.default_rng(320), 320, 88000, 12
    label = random.choice(classes, rows, p=random.dirichlet(np.full(classes, 0.7)))
    centre = random.normal(0, 1, (classes, 3, width)) * np.linspace(1.6, 0.4, width)
    x = centre[label, random.integers(0, 3, rows)] + random.normal(0, 0.55, (rows, width))
    label = np.where(random.random(rows) < 0.08, random.integers(0, classes, rows), label)
    x[:, 0], x[:, 1], x[:, 2:4], x[:, 4:] = np.round(x[:, 0] * 10), np.round(x[:, 1] * 4), np.round(x[:, 2:4], 1), np.round(x[:, 4:], 4)
    order = np.random.default_rng(1).permutation(rows)
    cut = int(rows * 0.7)
    for name, part in (("tree-train.csv", order[:cut]), ("tree-test.csv", order[cut:])):
        write(folder, name, {**{f"f{k}": x[part, k] for k in range(width)}, "y": label[part]})


def boost(folder):
    random, rows, width = np.random.default_rng(28), 1000000, 28
    mix = random.normal(0, 1, (width, 12))
    x = random.normal(0, 1, (rows + 200000, width)).astype(np.float32)
    z = np.tanh(x @ mix[:, :6].astype(np.float32) / 3).prod(1) * 8 + np.sin(x[:, 0] * x[:, 1]) + 0.6 * x[:, 2] * x[:, 3] + 0.5 * x[:, 4] - 0.4 * np.abs(x[:, 5])
    y = (random.random(len(z)) < 1 / (1 + np.exp(-2 * z))).astype(int)
    for name, part in (("boost-train.csv", slice(rows)), ("boost-test.csv", slice(rows, None))):
        write(folder, name, {**{f"f{k}": x[part, k] for k in range(width)}, "y": y[part]})


def higgs(folder, train, test):
    for name, path in (("higgs-train.csv", train), ("higgs-test.csv", test)):
        a = np.loadtxt(path)
        write(folder, name, {**{f"f{k}": a[:, k + 1] for k in range(28)}, "y": a[:, 0].astype(int)})


def sdss(folder, path):
    d = pl.read_csv(path).select("u", "g", "r", "i", "z", "redshift", "class")
    order = np.random.default_rng(1).permutation(len(d))
    cut = int(len(d) * 0.7)
    d[np.resize(order[:cut], 400000)].write_csv(os.path.join(folder, "sdss-train.csv"))
    d[order[cut:]].write_csv(os.path.join(folder, "sdss-test.csv"))


os.makedirs(sys.argv[2], exist_ok=True)
{"linear": linear, "tree": tree, "boost": boost, "higgs": higgs, "sdss": sdss}[sys.argv[1]](*sys.argv[2:])
