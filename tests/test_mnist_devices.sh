#!/usr/bin/env bash
# A few training steps of the mnist program give the same losses on every device: what the emulated CUDA kernels compute
# is what the CPU computes, to the rounding of f32.
#   test_mnist_devices.sh MNIST DEVICE
set -euo pipefail
mnist=$1 device=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for recipe in ddpm corrupt; do
  for on in cpu "$device"; do
    "$mnist" --recipe $recipe --device "$on" --data synthetic --max-train-steps 4 --train-batch-size 2 \
      --eval-batch-size 1 --save-images-steps 100 --block-out-channels 8 16 --norm-num-groups 4 \
      --ddpm-num-inference-steps 2 --output-dir "$work/$recipe-$on" >"$work/$recipe-$on.log" 2>&1 ||
      { cat "$work/$recipe-$on.log"; exit 1; }
    grep -o '"loss": *[^,}]*' "$work/$recipe-$on/metrics.jsonl" | cut -d: -f2 >"$work/$recipe-$on.losses"
    [ -s "$work/$recipe-$on/final.png" ] || { echo "$recipe on $on drew no picture"; exit 1; }
  done
  paste "$work/$recipe-cpu.losses" "$work/$recipe-$device.losses" | awk -v recipe=$recipe -v device="$device" '
    { gap = ($1 - $2) / $1; if (gap < 0) gap = -gap; if (gap > worst) worst = gap; ++n }
    END {
      printf "%s: %d losses, the largest difference between cpu and %s is %.1e of the loss\n", recipe, n, device, worst
      exit n < 4 || worst > 1e-4
    }'
done
