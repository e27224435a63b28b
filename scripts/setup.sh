#!/usr/bin/env bash
# Installs what imago needs to build, where something is missing; with everything present it says nothing and does nothing.
set -euo pipefail

# what is looked for -> the package that has it
missing=()
need_program() { command -v "$1" >/dev/null || missing+=("$2"); }
need_header() {
  local folder
  for folder in /usr/include /usr/local/include /usr/include/eigen3 ${CPATH:+${CPATH//:/ }}; do
    [ -e "$folder/$1" ] && return
  done
  missing+=("$2")
}
need_program c++ g++
need_program cmake cmake
need_program make make
need_header Eigen/Core libeigen3-dev
need_header stb/stb_image_write.h libstb-dev
need_header nlohmann/json.hpp nlohmann-json3-dev
need_header fmt/core.h libfmt-dev
need_header CLI/CLI.hpp libcli11-dev
need_header catch2 catch2
[ ${#missing[@]} -eq 0 ] && exit 0
command -v ninja >/dev/null || missing+=(ninja-build)  # not needed, but it builds faster

if ! command -v apt-get >/dev/null; then
  cat >&2 <<TEXT
imago needs a C++20 compiler (GCC 11 or newer), CMake 3.22 or newer, make, and the header files of Eigen 3, stb, nlohmann/json,
fmt, CLI11, and Catch2 2.x. This is not Debian or Ubuntu: please install what is missing, which on Debian would be
${missing[*]}.
TEXT
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "imago needs some packages; as root, please run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing what imago is built with, from your distribution: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$log" 2>&1; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
  cat "$log" >&2
  echo "The packages could not be installed; the messages above say why." >&2
  exit 1
fi
