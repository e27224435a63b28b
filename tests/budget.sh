#!/bin/sh
# Files stay short enough to be read, and so do lines: none above 500 lines, none above 120 columns.
# Prints the median and the longest files.
#   budget.sh SOURCE_FOLDER
cd "${1:-.}" || exit 1
limit=500
lengths=$(find core kernels autograd nn diffusion data examples cli tests bench \
  \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -exec wc -l {} \; | sort -n)
count=$(echo "$lengths" | wc -l)
if [ "$count" -lt 10 ]; then echo "budget: found only $count source files in $(pwd)"; exit 1; fi
echo "$count files, median $(echo "$lengths" | awk -v n="$count" 'NR == int((n + 1) / 2) {print $1}') lines; the longest:"
echo "$lengths" | tail -n 3
long=$(echo "$lengths" | awk -v limit=$limit '$1 > limit')
if [ -n "$long" ]; then echo "above $limit lines:"; echo "$long"; exit 1; fi

wide=$(find core kernels autograd nn diffusion data examples cli cmake tests -path tests/golden -prune -o \
  \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cmake' \) ! -name test_program.cpp -print |
  xargs awk -v columns=120 'length($0) > columns {print FILENAME ":" FNR ": " length($0)}')
if [ -n "$wide" ]; then echo "lines above 120 columns:"; echo "$wide"; exit 1; fi
