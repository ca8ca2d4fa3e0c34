"""Makes tests/reference/tables/: a small table and what scikit-learn 1.9 answers for it, which tests/test_table_reference.c compares with.

usage: tables_sklearn.py tests/reference/tables"""
import json
import os
import sys

import numpy as np
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

random, rows, names = np.random.default_rng(7), 240, ["a", "b", "c", "d"]
X = np.round(random.normal(0, 1, (rows, 4)) * [1, 3, 10, 0.5] * 64) / 64  # float32 holds these exactly
X[:, 3] += X[:, 0] / 2
y = np.round(3 * X[:, 0] - X[:, 1] + 0.2 * X[:, 2] * (X[:, 3] > 0) + random.normal(0, 1, rows), 3)
three = np.digitize(y + random.normal(0, 1, rows), [-2, 2])
two = (y + random.normal(0, 3, rows) > 0).astype(int)


def nodes(m):
    """Feature and threshold of every node, parents first, left before right; -1 and 0 for a leaf."""
    t, out, todo = m.tree_, [], [0]
    while todo:
        i = todo.pop()
        leaf = t.children_left[i] < 0
        out.append([-1, 0.0] if leaf else [int(t.feature[i]), float(t.threshold[i])])
        if not leaf:
            todo += [int(t.children_right[i]), int(t.children_left[i])]
    return out


def tree(**settings):
    """scikit-learn draws lots where splits are equally good: leaves are the smallest with which it never has to."""
    numbers = settings["criterion"] == "squared_error"
    kind = DecisionTreeRegressor if numbers else DecisionTreeClassifier
    for least in range(1, 40):
        found = [nodes(kind(random_state=seed, min_samples_leaf=least, **settings).fit(X, y if numbers else three)) for seed in range(12)]
        if all(f == found[0] for f in found):
            return {"settings": {"min_samples_leaf": least, **settings}, "nodes": found[0]}
    raise ValueError(settings)


def line(name, m, **settings):
    m.fit(X, y)
    return {"model": name, "settings": settings, "coefficients": m.coef_.tolist(), "intercept": float(m.intercept_)}


def logistic(l1, l2):
    scale = StandardScaler().fit(X)
    if l1:
        total = l1 + l2
        m = LogisticRegression(solver="saga", l1_ratio=l1 / total, C=1 / total, tol=1e-13, max_iter=1000000)
    else:
        m = LogisticRegression(solver="newton-cholesky", C=1 / l2, tol=1e-13)
    m.fit(scale.transform(X), two)
    w = m.coef_[0] / scale.scale_
    return {"l1": l1, "l2": l2, "coefficients": w.tolist(), "intercept": float(m.intercept_[0] - w @ scale.mean_), "auc": float(roc_auc_score(two, m.decision_function(scale.transform(X))))}


out = {
    "trees": [
        tree(criterion="gini", max_depth=30),
        tree(criterion="entropy", max_depth=30),
        tree(criterion="entropy", max_depth=3),
        tree(criterion="gini", max_depth=30, max_leaf_nodes=9),
        tree(criterion="gini", max_depth=30, ccp_alpha=0.01),
        tree(criterion="squared_error", max_depth=6),
        tree(criterion="squared_error", max_depth=30, max_leaf_nodes=17),
    ],
    "lines": [
        line("ridge", Ridge(alpha=5.0), ridge=5.0),
        line("lasso", Lasso(alpha=0.3, tol=1e-14, max_iter=1000000), lasso=0.3, l1_ratio=1.0),
        line("elastic net", ElasticNet(alpha=0.4, l1_ratio=0.3, tol=1e-14, max_iter=1000000), lasso=0.4, l1_ratio=0.3),
    ],
    "logistic": [logistic(0, 1.0), logistic(0, 10.0), logistic(6.0, 2.0)],
}
folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, "table.csv"), "w") as file:
    file.write(",".join(names) + ",y,three,two\n")
    for i in range(rows):
        file.write(",".join("%.7f" % v for v in X[i]) + ",%.3f,t%d,c%d\n" % (y[i], three[i], two[i]))
with open(os.path.join(folder, "sklearn.json"), "w") as file:
    json.dump(out, file, separators=(",", ":"))
