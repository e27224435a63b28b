# What the tests of programs share; source it with the program's path:
#   source "$(dirname "$0")/program.sh" PROGRAM
# It goes to an empty folder that is gone at the end. Call finish as the last thing.
set -u
program=$(realpath "$1")
name=$(basename "$program")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

check() {  # check WHAT CONDITION...
  local what=$1
  shift
  if "$@"; then echo "ok      $what"; else echo "FAILED  $what"; failures=$((failures + 1)); fi
}
# expect CODE TEXT ARGS...: the program's exit code, and a text in what it says on standard error
expect() {
  local code=$1 text=$2
  shift 2
  "$program" "$@" >out.txt 2>err.txt </dev/null
  local got=$?
  check "$name $* exits with $code (got $got)" test "$got" -eq "$code"
  check "$name $* says '$text'" grep -qF -- "$text" err.txt
  check "$name $* says it in one sentence" test "$(grep -c . err.txt)" -le 2
}
same() { check "$1 and $2 are the same bytes" cmp -s "$1" "$2"; }
# The 32-bit number at a byte of a file, the most significant byte first.
number_at() { od -An -tu1 -j "$2" -N4 "$1" | awk '{print (($1 * 256 + $2) * 256 + $3) * 256 + $4}'; }
finish() { if [ "$failures" -gt 0 ]; then echo "$failures checks failed"; exit 1; fi; }
