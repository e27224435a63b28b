#!/usr/bin/env bash
# How far the losses of a bf16 run are from those of f32: trains the mnist program twice from the same seed, which means
# the same weights, batches and noise, and compares the losses, averaged over windows of steps.
#   precision_band.sh MNIST DEVICE STEPS WINDOW BAND [FLAGS...]
# Fails if in any window the relative difference is above BAND. 1,000 steps on the emulator take a quarter of an hour;
# on a GPU the flags may make the network as large as one likes.
set -euo pipefail
mnist=$1 device=$2 steps=$3 window=$4 band=$5
shift 5
[ $# -gt 0 ] || set -- --train-batch-size 4 --block-out-channels 8 16 --norm-num-groups 4 --layers-per-block 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for precision in f32 bf16; do
  "$mnist" --device "$device" --precision $precision --max-train-steps "$steps" --checkpointing-steps 0 \
    --save-images-steps "$((steps + 1))" --eval-batch-size 1 --ddpm-num-inference-steps 2 --log-every 60 "$@" \
    --output-dir "$work/$precision" >"$work/$precision.log" 2>&1 || { tail -n 3 "$work/$precision.log"; exit 1; }
  grep -o '"loss": *[^,}]*' "$work/$precision/metrics.jsonl" | cut -d: -f2 >"$work/$precision.losses"
done
head -n 1 "$work/f32.log"
paste "$work/f32.losses" "$work/bf16.losses" | awk -v window="$window" -v band="$band" '
  { f += $1; b += $2; gap = $2 - $1; single = (gap < 0 ? -gap : gap) / $1; if (single > largest) largest = single }
  NR % window == 0 {
    difference = (b - f) / f; size = difference < 0 ? -difference : difference
    if (size > worst) worst = size
    printf "steps %d to %d: f32 %.5f, bf16 %.5f, %+.2f %%\n", NR - window + 1, NR, f / window, b / window, 100 * difference
    f = b = 0; ++windows
  }
  END {
    printf "%d windows of %d steps: the largest difference is %.2f %% (of a single step %.2f %%), allowed are %.2f %%\n",
           windows, window, 100 * worst, 100 * largest, 100 * band
    exit windows < 1 || worst > band || largest == 0
  }'
