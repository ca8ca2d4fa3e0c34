# TensorBoard itself reads the events of a run. Needs Python with the package tensorboard (pip install tensorboard); BRAMBLE_PYTHON names another Python.
. "$(dirname "$0")/head.bash"
python=${BRAMBLE_PYTHON:-python3}
"$python" -c 'import tensorboard' 2> /dev/null || skip "no tensorboard (pip install tensorboard)"
"$build/bramble" train lenet --data shapes:40,20 --epochs 1 --log-dir none --quiet 2>&1 | grep -q 'without protobuf-c' && skip "built without protobuf-c"
"$build/bramble" train lenet --data shapes:200,100 --epochs 3 --log-dir "$folder/runs/a" --json --quiet > "$folder/log"
"$python" - "$folder" "$source/src/record/events.proto" <<'P'
import json, re, sys
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
# Every field of ours is one of TensorBoard's own messages, with its number, type and kind.
from tensorboard.compat.proto import event_pb2, summary_pb2, histogram_pb2
messages = {"Event": event_pb2.Event, "Summary": summary_pb2.Summary, "Image": summary_pb2.Summary.Image, "Value": summary_pb2.Summary.Value, "HistogramProto": histogram_pb2.HistogramProto}
inside, fields = [], 0
for line in open(sys.argv[2]):
    line = line.split("//")[0].strip()
    if line.startswith(("message", "oneof")):
        inside.append(line.split()[1] if line.startswith("message") else inside[-1])
    elif line == "}":
        inside.pop()
    elif match := re.fullmatch(r"(repeated )?(\w+) (\w+) = (\d+)( \[packed = true\])?;", line):
        official = messages[inside[-1]].DESCRIPTOR.fields_by_name[match[3]]
        kind = official.message_type.name if official.message_type else {1: "double", 2: "float", 3: "int64", 5: "int32", 9: "string", 12: "bytes"}[official.type]
        assert (official.number, official.is_repeated if hasattr(official, "is_repeated") else official.label == 3, kind) == (int(match[4]), bool(match[1]), match[2]), line
        fields += 1
assert fields == 20, fields
print(len(tags["scalars"]), "curves and", len(tags["histograms"]), "histograms and the contact sheet read by tensorboard")
P
