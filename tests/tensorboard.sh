# TensorBoard itself reads the events of a run. Needs Python with the package tensorboard (pip install tensorboard); BRAMBLE_PYTHON names another Python.
set -e
build=$(cd "$1" && pwd)
python=${BRAMBLE_PYTHON:-python3}
"$python" -c 'import tensorboard' 2> /dev/null || { echo "skipped: no tensorboard (pip install tensorboard)"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$build/bramble" train lenet --data shapes:200,100 --epochs 3 --log-dir "$folder/runs/a" --json --quiet > "$folder/log"
"$python" - "$folder" <<'P'
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
folder = sys.argv[1]
events = EventAccumulator(folder + "/runs/a", size_guidance={"histograms": 0, "scalars": 0, "images": 0})
events.Reload()
lines = [json.loads(line) for line in open(folder + "/log")]
epochs = [line for line in lines if "epoch" in line]
tags = events.Tags()
for tag, key in (("loss/train", "loss"), ("accuracy/test", "test_accuracy"), ("speed/images_per_second", "images_per_second")):
    seen = [(e.step, e.value) for e in events.Scalars(tag)]
    assert [s for s, _ in seen] == [1, 2, 3], seen
    assert all(abs(v - e[key]) <= 1e-6 * abs(e[key]) for (_, v), e in zip(seen, epochs)), (tag, seen)
assert "rank_0/compute_seconds" in tags["scalars"]
assert len(tags["histograms"]) >= 10, tags["histograms"]
weights = events.Histograms(tags["histograms"][0])[-1].histogram_value
assert weights.num == sum(weights.bucket) > 0 and weights.min < 0 < weights.max
sheet = events.Images("data")
assert len(sheet) == 1 and sheet[0].step == 0 and sheet[0].encoded_image_string.startswith(b"\x89PNG") and sheet[0].width >= 640, sheet
print(len(tags["scalars"]), "curves and", len(tags["histograms"]), "histograms and the contact sheet read by tensorboard")
P
