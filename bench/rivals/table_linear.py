"""Least squares of price on year and odometer by other programs, 2 threads. Prints: seconds, intercept, peak MB.

usage: table_linear.py duckdb|polars|numpy|sklearn FILE.csv      (numpy and sklearn: from float64 columns in memory)"""
import os
import resource
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[name] = "2"
import numpy as np


def normal_equations(x, y):
    mean, middle = x.mean(0), y.mean()
    centred = x - mean
    w = np.linalg.solve(centred.T @ centred, centred.T @ (y - middle))
    return middle - w @ mean


def duckdb(path):
    import duckdb
    query = duckdb.connect(config={"threads": 2})
    begin = time.time()
    r = query.execute(f"""SELECT avg(year), avg(odometer), avg(price), var_pop(year), var_pop(odometer), covar_pop(year, odometer), covar_pop(year, price), covar_pop(odometer, price)
        FROM read_csv('{path}') WHERE year IS NOT NULL AND odometer IS NOT NULL AND price IS NOT NULL""").fetchone()
    w = np.linalg.solve([[r[3], r[5]], [r[5], r[4]]], r[6:8])
    return time.time() - begin, r[2] - w @ r[:2]


def polars(path):
    import polars as pl
    begin = time.time()
    d = pl.read_csv(path).drop_nulls()
    x = d.select("year", "odometer").to_numpy().astype(np.float64)
    return time.time() - begin, normal_equations(x, d["price"].to_numpy())


def in_memory(path, fit):
    import polars as pl
    d = pl.read_csv(path).drop_nulls()
    x, y = d.select("year", "odometer").to_numpy().astype(np.float64), d["price"].to_numpy()
    begin = time.time()
    intercept = fit(x, y)
    return time.time() - begin, intercept


def sklearn(x, y):
    from sklearn.linear_model import LinearRegression
    return LinearRegression().fit(x, y).intercept_


how, path = sys.argv[1:3]
seconds, intercept = {"duckdb": duckdb, "polars": polars, "numpy": lambda p: in_memory(p, normal_equations), "sklearn": lambda p: in_memory(p, sklearn)}[how](path)
print(f"{seconds:.4f} {intercept:.9g} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
