"""Makes tests/reference/tables/xgboost.json: the first trees that XGBoost 3.2 grows on tests/reference/tables/table.csv by its exact method, which
tests/test_table_reference.c compares with. Column m is b where a > 0, and missing elsewhere.

usage: tables_xgboost.py tests/reference/tables"""
import csv
import json
import os
import sys

import numpy as np
import xgboost

folder = sys.argv[1]
with open(os.path.join(folder, "table.csv")) as file:
    rows = list(csv.DictReader(file))
a, b, c, d, y = (np.array([float(r[k]) for r in rows]) for k in "abcdy")
X = np.column_stack([a, np.where(a > 0, b, np.nan), c, d])
classes = {"two": np.array([int(r["two"][1:]) for r in rows]), "three": np.array([int(r["three"][1:]) for r in rows])}


def nodes(node, x):
    """Parents first, left before right: [rows, column, twice the gain, whether missing values go left (null: there are none)] or [rows, -1, value of the leaf]."""
    if "leaf" in node:
        return [[len(x), -1, node["leaf"]]]
    children = {child["nodeid"]: child for child in node["children"]}
    column = int(node["split"][1:])
    missing, missing_left = np.isnan(x[:, column]), node["missing"] == node["yes"]
    left = np.where(missing, missing_left, x[:, column] < node["split_condition"])
    own = [len(x), column, node["gain"], missing_left if missing.any() else None]
    return [own] + nodes(children[node["yes"]], x[left]) + nodes(children[node["no"]], x[~left])


def case(target, rounds, depth, l1, l2, rate):
    settings = {"tree_method": "exact", "max_depth": depth, "alpha": l1, "lambda": l2, "eta": rate, "min_child_weight": 1e-3, "nthread": 1}
    if target == "y":
        goal, base = y, np.full(len(y), y.mean())
        settings["objective"] = "reg:squarederror"
    elif target == "two":
        goal, share = classes[target], classes[target].mean()
        base = np.full(len(y), np.log(share / (1 - share)))
        settings["objective"] = "binary:logistic"
    else:
        goal = classes[target]
        base = np.tile(np.log(np.bincount(goal) / len(goal)), (len(goal), 1))
        settings.update(objective="multi:softprob", num_class=3)
    data = xgboost.DMatrix(X, goal, base_margin=base)
    booster = xgboost.train(settings, data, rounds)
    trees = [nodes(json.loads(t), X) for t in booster.get_dump(dump_format="json", with_stats=True)]
    return {"target": target, "rounds": rounds, "max_depth": depth, "l1": l1, "l2": l2, "rate": rate, "trees": trees}


out = [case("y", 4, 4, 0, 1, 0.3), case("y", 3, 3, 5, 0, 0.5), case("two", 4, 4, 0, 1, 0.3), case("two", 3, 3, 0.5, 2, 1), case("three", 3, 3, 0, 1, 0.3)]
with open(os.path.join(folder, "xgboost.json"), "w") as file:
    json.dump(out, file, separators=(",", ":"))
