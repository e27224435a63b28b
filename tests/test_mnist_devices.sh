#!/usr/bin/env bash
# A few training steps of the mnist program give the same losses on every device, since all draw the same images, noise
# and time steps: what the emulated CUDA kernels compute is what the CPU computes, to the rounding of f32. On one device
# steps that are launched as a graph give the same bytes as steps that are not.
#   test_mnist_devices.sh MNIST DEVICE
set -euo pipefail
mnist=$1 device=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

train() {  # train FOLDER FLAGS...
  local folder=$1
  shift
  "$mnist" --data synthetic --max-train-steps 4 --train-batch-size 2 --eval-batch-size 1 --save-images-steps 100 \
    --block-out-channels 8 16 --norm-num-groups 4 --ddpm-num-inference-steps 2 --output-dir "$work/$folder" "$@" \
    >"$work/$folder.log" 2>&1 || { cat "$work/$folder.log"; exit 1; }
  [ -s "$work/$folder/final.png" ] || { echo "$folder drew no picture"; exit 1; }
}

for recipe in ddpm corrupt; do
  for on in cpu "$device"; do
    train "$recipe-$on" --recipe $recipe --device "$on" --no-graph
    train "$recipe-$on-graph" --recipe $recipe --device "$on" --graph
    for file in metrics.jsonl checkpoint-000004/trainer.safetensors final.png; do
      cmp "$work/$recipe-$on/$file" "$work/$recipe-$on-graph/$file" || { echo "$recipe on $on: a graph differs"; exit 1; }
    done
    grep -o '"loss": *[^,}]*' "$work/$recipe-$on/metrics.jsonl" | cut -d: -f2 >"$work/$recipe-$on.losses"
  done
  paste "$work/$recipe-cpu.losses" "$work/$recipe-$device.losses" | awk -v recipe=$recipe -v device="$device" '
    { gap = ($1 - $2) / $1; if (gap < 0) gap = -gap; if (gap > worst) worst = gap; ++n }
    END {
      printf "%s: %d losses, the largest difference between cpu and %s is %.1e of the loss\n", recipe, n, device, worst
      exit n < 4 || worst > 1e-4
    }'
done
