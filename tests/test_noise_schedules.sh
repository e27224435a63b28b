#!/usr/bin/env bash
# The noise_schedules program from the outside: its two files are there, and are what they say they are.
#   test_noise_schedules.sh PATH_TO_NOISE_SCHEDULES
source "$(dirname "$0")/program.sh" "$1"

"$program" >said.txt
check "it succeeds" test $? -eq 0
svg=runs/noise_schedules/alphas_cumprod.svg
png=runs/noise_schedules/noisy.png
for file in $svg $png; do
  check "it says where $file is" grep -qx "$file" said.txt
done
for schedule in linear scaled_linear squaredcos_cap_v2 sigmoid laplace; do
  check "it draws $schedule" grep -q ">$schedule<" $svg
  check "and says which row that is" grep -q "row [1-5] of noisy.png is $schedule$" said.txt
done
check "the curves are a whole SVG file" bash -c "head -c 4 $svg | grep -q '<svg' && tail -n 1 $svg | grep -q '</svg>'"
# Twelve columns, five rows.
check "the rows are wider than high" test "$(number_at $png 16)" -gt $((2 * $(number_at $png 20)))

# What it wrote can be read: here as the picture to make noisy.
"$program" --picture $png --output-dir again >/dev/null
check "noisy.png decodes" test -s again/noisy.png
check "and is the picture of another one, larger" test "$(number_at again/noisy.png 16)" -gt "$(number_at $png 16)"
head -c 300 $png >half.png
"$program" --picture half.png --output-dir never >/dev/null 2>err.txt
check "half a picture is refused" test $? -eq 1
check "in one sentence that names it" bash -c "test \$(wc -l <err.txt) -eq 1 && grep -q half.png err.txt"
check "and nothing is drawn" test ! -e never

finish
