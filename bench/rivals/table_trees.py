"""Trees, forests and boosting by other programs, 2 threads, data in memory. Prints: seconds of the fit, quality on the test file, peak MB. Quality is
accuracy for a tree, AUC for the others.

usage: table_trees.py tree|forest|boost sklearn|xgboost|lightgbm|ydf TRAIN.csv TEST.csv"""
import os
import resource
import sys
import time

os.environ["OMP_NUM_THREADS"] = "2"
import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

what, how, train, test = sys.argv[1:5]


def load(path):
    d = pl.read_csv(path)
    return np.ascontiguousarray(d.drop("y").to_numpy().astype(np.float32)), d["y"].to_numpy()


X, Y = load(train)
XT, YT = load(test)
deep = what == "forest" and len(X) < 20000


def sklearn():
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier
    m = {
        "tree": lambda: DecisionTreeClassifier(criterion="entropy", max_depth=30, random_state=0),
        "forest": lambda: RandomForestClassifier(100, n_jobs=2, random_state=0, max_depth=None if deep else 16),
        "boost": lambda: HistGradientBoostingClassifier(max_iter=100, max_depth=6, learning_rate=0.1, max_bins=255, max_leaf_nodes=64, early_stopping=False, random_state=0),
    }[what]()
    return lambda: m.fit(X, Y), lambda _: m.predict(XT) if what == "tree" else m.predict_proba(XT)[:, 1]


def xgboost():
    import xgboost as x
    p, rounds = dict(objective="binary:logistic", max_depth=6, eta=0.1, max_bin=256, tree_method="hist", nthread=2), 100
    if what == "forest":
        p.update(eta=1.0, num_parallel_tree=100, subsample=0.63, colsample_bynode=0.19, max_depth=16)
        rounds = 1
    return lambda: x.train(p, x.DMatrix(X, Y, nthread=2), rounds), lambda m: m.predict(x.DMatrix(XT))


def lightgbm():
    import lightgbm as L
    p = dict(objective="binary", max_depth=6, num_leaves=64, learning_rate=0.1, max_bin=255, num_threads=2, verbosity=-1, force_col_wise=True)
    if what == "forest":
        p.update(boosting="rf", bagging_fraction=0.63, bagging_freq=1, feature_fraction_bynode=0.19, num_leaves=4096, max_depth=16, min_data_in_leaf=1)
    return lambda: L.train(p, L.Dataset(X, Y), 100), lambda m: m.predict(XT, num_threads=2)


def ydf():
    import ydf as y
    y.verbose(0)
    d = {**{f"f{k:02d}": np.ascontiguousarray(X[:, k]) for k in range(X.shape[1])}, "y": Y}
    dt = {f"f{k:02d}": np.ascontiguousarray(XT[:, k]) for k in range(X.shape[1])}
    m = {
        "tree": lambda: y.CartLearner(label="y", max_depth=30, min_examples=1, validation_ratio=0.0, num_threads=2),
        "forest": lambda: y.RandomForestLearner(label="y", num_trees=100, max_depth=16, num_threads=2, compute_oob_performances=False),
        "boost": lambda: y.GradientBoostedTreesLearner(label="y", num_trees=100, max_depth=6, shrinkage=0.1, validation_ratio=0.0, early_stopping="NONE", num_threads=2, discretize_numerical_columns=True, num_discretized_numerical_bins=255),
    }[what]()

    def answer(model):
        p = model.predict(dt)
        return np.array([int(c) for c in model.label_classes()])[p.argmax(1)] if what == "tree" else p

    return lambda: m.train(d), answer


fit, answer = {"sklearn": sklearn, "xgboost": xgboost, "lightgbm": lightgbm, "ydf": ydf}[how]()
times = []
for _ in range(3 if len(X) < 20000 else 1):
    begin = time.time()
    model = fit()
    times.append(time.time() - begin)
got = answer(model)
quality = np.mean(got == YT) if what == "tree" else roc_auc_score(YT, got)
print(f"{sorted(times)[len(times) // 2]:.4f} {quality:.4f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
