# Models of tables exported as ONNX answer as they do here, where a Python with onnx and onnxruntime is at hand (BRAMBLE_PYTHON, else python3): every kind, with
# numbers, with categories and with missing values.
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")" && pwd)
python=${BRAMBLE_PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $1"; exit 1; }
bramble=$build/bramble
"$bramble" help export > /dev/null 2>&1 || { echo "skipped: this build has no ONNX"; exit 77; }
printf 'prediction,y\n1,2\n2,4\n3,6\n4,8\n' > named.csv
"$bramble" train linear --data named.csv --target y --out named.safetensors --quiet > train.log 2>&1 || fail "training"
"$bramble" export named.safetensors --out named.onnx 2> error.txt
[ $? = 3 ] && grep -q 'a feature is named prediction' error.txt && [ ! -e named.onnx ] || fail "a feature named like an output"
"$python" -c 'import onnx, onnxruntime' 2> /dev/null || { echo "skipped: $python has no onnx and onnxruntime (set BRAMBLE_PYTHON)"; exit 77; }
train() { # kind, data, target, name, further words
  "$bramble" train "$1" --data "$2.csv" --target "$3" --out "$4.safetensors" --quiet "${@:5}" > train.log 2>&1 || { cat train.log; fail "training $4"; }
}
for kind in cars checkins sdss; do "$bramble" data make $kind --rows 1500 --seed 1 --out $kind.csv --quiet > /dev/null || fail "making $kind"; done
# a category with words that need care, one value of it missing, and numbers missing in both directions
awk -F, -v OFS=, 'NR == 1 {print $0, "fuel", "sold"} NR > 1 {f = NR % 7 == 0 ? "" : NR % 3 == 0 ? "\"gas, \"\"red\"\"\"" : NR % 3 == 1 ? "diesel" : "électrique"; if (NR % 11 == 0) $1 = ""; print $0, f, ($3 + (NR % 3) * 4000 > 14000 ? "yes" : "no")}' cars.csv > mixed.csv
train linear cars price cars.linear
train linear mixed price mixed.linear
train logistic sdss class sdss.logistic
train logistic mixed sold mixed.logistic --features model_year,fuel
train tree sdss class sdss.tree --max-depth 8
train tree cars price cars.tree --max-depth 8
train tree mixed sold mixed.tree
train forest sdss class sdss.forest --trees 7
train forest mixed price mixed.forest --trees 7
train boost mixed sold mixed.boost --trees 15
train boost sdss class sdss.boost --trees 10
train boost mixed price mixed.price --trees 15
train tree checkins venue checkins.tree --max-depth 12
train forest checkins venue checkins.forest --trees 3
for data in cars sdss mixed checkins; do
  "$python" "$source/reference/onnx_tables.py" "$bramble" $data.csv $data.*.safetensors || fail "$data"
done
