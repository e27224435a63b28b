#!/usr/bin/env bash
# What ptxas says of every CUDA kernel: registers, shared memory and spilled bytes, as a table. Needs nvcc, but no GPU.
#   ptxas_report.sh [SM ...] [-- FILE ...]     by default sm 80 and 90, all of kernels/cuda
set -euo pipefail
cd "$(dirname "$0")/.."

architectures=() files=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do architectures+=("$1"); shift; done
[ $# -gt 0 ] && shift
files=("$@")
[ ${#architectures[@]} -gt 0 ] || architectures=(80 90)
[ ${#files[@]} -gt 0 ] || files=(kernels/cuda/*.cu)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%-4s %5s %8s %7s  %s\n' sm regs shared spills kernel
for file in "${files[@]}"; do
  for sm in "${architectures[@]}"; do
    nvcc -std=c++20 -O3 -arch="sm_$sm" --expt-relaxed-constexpr --extended-lambda -diag-suppress 20012,20014 -I. \
      -DIMAGO_BACKEND=cuda_kernels -DIMAGO_BACKEND_NAME='"cuda"' -DIMAGO_DEVICE=cuda -Xptxas -v -cubin \
      -o "$work/out.cubin" "$file" 2>&1 | c++filt -p | awk -v sm="$sm" '
        /Compiling entry function/ { split($0, part, "\x27"); name = part[2]; gsub(/imago::kernels::cuda_kernels::|\(anonymous namespace\)::/, "", name) }
        /bytes spill stores/ { for (i = 1; i <= NF; ++i) if ($(i + 2) == "spill") spills += $i }
        /Used [0-9]+ registers/ {
          for (i = 1; i <= NF; ++i) { if ($i == "registers,") regs = $(i - 1); if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) shared = $i }
          printf "%-4s %5d %8d %7d  %s\n", sm, regs, shared, spills, name; spills = shared = 0
        }
        /error/ { print; failed = 1 }
        END { exit failed }'
  done
done
