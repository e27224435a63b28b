#!/usr/bin/env bash
# Copies the header-only packages that imago builds with from this Debian or Ubuntu machine into DIR/include, for machines
# that reach no package registry. There: make gpu-report HEADERS=DIR, or cmake -DCMAKE_PREFIX_PATH=DIR.
#   collect_headers.sh DIR
set -euo pipefail
dest=${1:?usage: collect_headers.sh DIR}
packages=(libeigen3-dev catch2 libstb-dev libcli11-dev nlohmann-json3-dev libfmt-dev)
for package in "${packages[@]}"; do
  if ! dpkg -s "$package" >/dev/null 2>&1; then
    echo "collect_headers.sh: $package is not installed: apt-get install ${packages[*]}" >&2
    exit 1
  fi
  dpkg -L "$package" | while read -r file; do
    case $file in
      /usr/include/*) [ -f "$file" ] && install -D -m 644 "$file" "$dest/include/${file#/usr/include/}" ;;
    esac
  done || true
done
du -sh "$dest"
