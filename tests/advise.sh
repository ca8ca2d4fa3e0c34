# bramble advise: what it says on a short run, the same on two ranks, and the warning for the study whose nets answered nothing.
. "$(dirname "$0")/head.bash"
has() { grep -qE "$1" "$2" || { echo "$1 is missing:"; cat "$2"; exit 1; }; }
"$build/bramble" advise train lenet --data shapes:2000,100 --batch 16 --micro-batch 8 --nodes 4 --seconds 0.5 --json > plain.json
has '"noise_scale":[0-9]' plain.json
has '"batch":[0-9]+,"sample_efficiency":0\.[0-9]+,"nodes":[1-4],' plain.json
has '"warnings":\[\]' plain.json
[ "$(ls)" = plain.json ] || { echo "something was left behind"; exit 1; }
# 48 workers, averaged after every epoch, Keras' moving averages: published 10 % test accuracy after 10 epochs; the warnings come before the run.
"$build/bramble" advise train mobilenetv2 --width 0.5 --input 32 --data shapes:50000,10 --sync weights --workers 48 --batch 12 --micro-batch 12 --optimiser sgd --lr 5e-4 --bn-momentum 0.999 --bn-recalibrate 0 --epochs 10 \
  --nodes 24 --node pi4 --link 940Mbit,0.15ms --seconds 1 > published.txt
has '^WARNING: batch norm.s moving averages would still hold 42 % of their start values after 860 updates with momentum 0.999' published.txt
has '^WARNING: 48 workers with 1042 samples each: at one learning rate .* 860 steps where one worker alone would make 41280\. The risk for the accuracy is great' published.txt
# the batch of nine of ten samples, and the smaller one that an epoch's ten steps leave
"$build/bramble" advise train mobilenetv2 --width 0.25 --input 32 --data shapes:240,10 --batch 2 --micro-batch 2 --seconds 0 > few.txt
has '^--batch 26 ' few.txt
has 'batch 26, since an epoch of 240 samples should have about ten steps' few.txt
full=$(grep -oE 'up to batch [0-9]+' few.txt)
[ "${full##* }" -gt 26 ] || { echo "the batch of ten steps is said to be that of nine of ten samples:"; cat few.txt; exit 1; }
"$build/bramble" plan train lenet --data shapes:500,10 --nodes 3 --json > plan.json
has '"nodes":\[\{"nodes":1,.*"speedup":1.0,.*\{"nodes":3,' plan.json
"$build/bramble" plan train lenet --data shapes:500,10 --nodes 3 --link fast 2>&1 | grep -q 'a bandwidth and a latency like 940Mbit,0.15ms' || { echo "bad link accepted"; exit 1; }
command -v mpiexec > /dev/null || exit 0
mpiexec -n 2 "$build/bramble" advise train lenet --data shapes:2000,100 --batch 16 --micro-batch 8 --seconds 0 --json > two.json
has '"every":[0-9]' two.json
