#!/usr/bin/env bash
# What happens to a run that dies: killed at any moment, it goes on from its last checkpoint and ends with the bytes of a
# run that nobody disturbed. A full disk, a folder that is read-only, a folder that is in use: one sentence, and nothing
# that was there is lost.
#   test_kill.sh PATH_TO_MNIST [KILLS]
set -u
mnist=$(realpath "$1")
kills=${2:-18}
work=$(mktemp -d)
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
chmod 755 "$work"
failures=0

check() {  # check WHAT CONDITION...
  local what=$1
  shift
  if "$@"; then echo "ok      $what"; else echo "FAILED  $what"; failures=$((failures + 1)); fi
}
same() { check "$1 and $2 are the same bytes" cmp -s "$1" "$2"; }
one_sentence() {  # one_sentence LOG TEXT: what it ends with (a run says what it is before it fails)
  check "it says '$2'" grep -qF -- "$2" "$1"
  check "in one line" test "$(grep -c '^mnist: ' "$1")" -eq 1
}
leftovers() { find "$1" \( -name '*.tmp' -o -name '*.old' -o -name run.lock \) -print; }

steps=90
flags="--data synthetic --threads 1 --train-batch-size 2 --eval-batch-size 4 --log-every 0 --block-out-channels 4 8 \
  --norm-num-groups 2 --layers-per-block 1 --ddpm-num-inference-steps 3 --save-images-steps 20 --max-train-steps $steps"
run() { "$mnist" $flags "$@" </dev/null; }
start() { exec "$mnist" $flags "$@" </dev/null; }  # with &: then $! is the program's

# ---- killed at any moment ----
run --checkpointing-steps 0 --output-dir whole >/dev/null 2>whole.log || { cat whole.log; exit 1; }

seed=${IMAGO_TEST_SEED:-$$}
RANDOM=$seed
echo "killing it $kills times, IMAGO_TEST_SEED=$seed"
wait_for() { for _ in $(seq 3000); do "$@" && return; kill -0 $pid 2>/dev/null || return; done; }
half_written() { compgen -G 'killed/checkpoint-*.tmp' >/dev/null; }
underway() { grep -q '^step' killed.log; }
sleep_up_to() { sleep "$(printf '0.%03d' $((RANDOM % $1)))"; }  # milliseconds
died=0 in_checkpoint=0
while [ $died -lt "$kills" ]; do
  again=$([ -d killed ] && echo "--resume-from-checkpoint latest")
  start --checkpointing-steps 1 --output-dir killed $again >/dev/null 2>killed.log &
  pid=$!
  case $((died % 3)) in
    0) sleep_up_to 500 ;;                           # anywhere, also before the first step
    1) wait_for underway; sleep_up_to 100 ;;        # between steps
    2) wait_for half_written; sleep_up_to 8 ;;      # while a checkpoint is written, or shortly after
  esac
  kill -KILL $pid 2>/dev/null
  wait $pid 2>/dev/null
  code=$?
  if [ $code -ne 137 ]; then  # it was through, or did not get on
    check "a killed run goes on (exit code $code, $(tail -n 1 killed.log))" test $code -eq 0
    [ $code -eq 0 ] || break
    check "all of its steps were done after $died kills" test -s killed/final.png
    echo "(it was done before it could be killed $kills times; from the start again)"
    rm -rf killed
    continue
  fi
  died=$((died + 1))
  half_written && in_checkpoint=$((in_checkpoint + 1))
done
echo "        $died kills, $in_checkpoint of them while a checkpoint was being written"
check "some kills hit the writing of a checkpoint" test $in_checkpoint -gt 0
run --checkpointing-steps 1 --output-dir killed --resume-from-checkpoint latest >/dev/null 2>killed.log
check "the killed run ends well ($(tail -n 1 killed.log))" test $? -eq 0
last=checkpoint-0000$steps
for file in metrics.jsonl final.png denoising.png loss.svg samples/step-000020.png samples/step-000080.png \
  model/unet/diffusion_pytorch_model.safetensors $last/trainer.safetensors \
  $last/model/unet/diffusion_pytorch_model.safetensors $last/model_ema/unet/diffusion_pytorch_model.safetensors; do
  same "whole/$file" "killed/$file"
done
check "nothing half written is left" test -z "$(leftovers killed)"

# Killed between the two renames that replace a folder: the old one comes back.
mv killed/$last killed/$last.old
mkdir -p killed/$last.tmp/model
run --output-dir killed --resume-from-checkpoint latest >/dev/null 2>killed.log
check "a folder that was moved aside is found ($(tail -n 1 killed.log))" test $? -eq 0
same "whole/$last/trainer.safetensors" "killed/$last/trainer.safetensors"
check "and the half written one is gone" test -z "$(leftovers killed)"

# ---- a full disk: a limit on the size of files stands for it ----
cp -r whole full && rm -r full/$last
run --output-dir full --checkpointing-steps 40 --overwrite-output-dir >/dev/null 2>&1
rm -r full/$last full/model full/final.png
limited() { (ulimit -f 64; run --output-dir full --checkpointing-steps 20 --resume-from-checkpoint latest); }
limited >/dev/null 2>full.log
check "a full disk ends the run with 1 (got $?)" test $? -eq 1
one_sentence full.log "trainer.safetensors: File too large"
check "the last checkpoint is still there" test -s full/checkpoint-000080/trainer.safetensors
check "nothing half written is left" test -z "$(leftovers full)"
run --output-dir full --checkpointing-steps 20 --resume-from-checkpoint latest >/dev/null 2>full.log
check "with room it goes on ($(tail -n 1 full.log))" test $? -eq 0
same "whole/$last/trainer.safetensors" "full/$last/trainer.safetensors"
same whole/metrics.jsonl full/metrics.jsonl

# The real thing, where a user may mount a small file system.
if unshare --user --map-root-user --mount true 2>/dev/null; then
  cat >small_disk.sh <<END
mkdir -p small && mount -t tmpfs -o size=700k none small || exit 77
"$mnist" $flags --output-dir small/run --checkpointing-steps 1 --checkpoints-total-limit 0 </dev/null >/dev/null 2>small.log
[ \$? -eq 1 ] && ls small/run/checkpoint-*/trainer.safetensors >/dev/null && [ -z "\$(ls -d small/run/*.tmp 2>/dev/null)" ]
END
  unshare --user --map-root-user --mount bash small_disk.sh 2>/dev/null
  code=$?
  if [ $code -eq 77 ]; then
    echo "skipped: a disk that is really full, since this system lets nobody mount a tmpfs"
  else
    check "on a disk that is really full the run ends with 1 and keeps its checkpoints" test $code -eq 0
    one_sentence small.log "No space left on device"
  fi
else
  echo "skipped: a disk that is really full, since this system lets nobody mount a tmpfs"
fi

# ---- a folder that is read-only ----
as_nobody=
if [ "$(id -u)" -eq 0 ]; then as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"; fi
if [ -z "$as_nobody" ] || $as_nobody test -x "$mnist" 2>/dev/null; then
  cp -r whole readonly && chmod -R a-w,a+rX readonly
  $as_nobody "$mnist" $flags --output-dir readonly --resume-from-checkpoint latest >/dev/null 2>readonly.log </dev/null
  check "a read-only folder ends with 1 (got $?)" test $? -eq 1
  one_sentence readonly.log "cannot write readonly/run.lock: Permission denied"
  mkdir closed && chmod 555 closed
  $as_nobody "$mnist" $flags --output-dir closed/run >/dev/null 2>readonly.log </dev/null
  one_sentence readonly.log "cannot make the output directory closed/run: Permission denied"
else
  echo "skipped: a read-only folder, since the superuser can write everywhere and there is no setpriv"
fi

# ---- two runs in one folder ----
flags=${flags/--max-train-steps $steps/--max-train-steps 100000}
start --checkpointing-steps 1 --output-dir shared >/dev/null 2>shared.log &
pid=$!
for _ in $(seq 200); do ls -d shared/checkpoint-0000?? >/dev/null 2>&1 && break; sleep 0.05; done
for again in "--resume-from-checkpoint latest" --overwrite-output-dir; do
  run --output-dir shared $again >/dev/null 2>second.log
  check "a second run in the same folder ends with 1 (got $?)" test $? -eq 1
  one_sentence second.log "output directory shared is in use by another run (process $pid)"
done
kill -TERM $pid
wait $pid
check "and does not disturb the first (exit code $?)" test $? -eq 143
check "which lets go of the folder" test -z "$(leftovers shared)"

if [ "$failures" -gt 0 ]; then echo "$failures checks failed"; exit 1; fi
