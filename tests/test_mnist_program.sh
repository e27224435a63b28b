#!/usr/bin/env bash
# The mnist program from the outside: exit codes, messages, the files of a run, Ctrl-C, and exact resuming.
#   test_mnist_program.sh PATH_TO_MNIST
set -u
mnist=$(realpath "$1")
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
  "$mnist" "$@" >out.txt 2>err.txt </dev/null
  local got=$?
  check "mnist $* exits with $code (got $got)" test "$got" -eq "$code"
  check "mnist $* says '$text'" grep -qF -- "$text" err.txt
  check "mnist $* says it in one sentence" test "$(grep -c . err.txt)" -le 2
}
same() { check "$1 and $2 are the same bytes" cmp -s "$1" "$2"; }

# ---- wrong flags, wrong files: one sentence, a non-zero code, nothing written ----
expect 2 "did you mean --train-batch-size?" --train-batchsize 3
expect 2 "--num-epochs" --num-epochs 0
expect 2 "--recipe" --recipe magic
expect 1 "no-such-folder" --data no-such-folder
expect 1 "--ddpm-num-inference-steps must be at most" --data synthetic --ddpm-num-steps 20 --output-dir never
expect 1 "no checkpoint to resume from" --data synthetic --output-dir empty --resume-from-checkpoint latest
mkdir damaged
printf '\x00\x00\x08\x03\xff\xff\xff\xff\x00\x00\x00\x1c\x00\x00\x00\x1c' >damaged/train-images-idx3-ubyte
printf '\x00\x00\x08\x01\x00\x00\x00\x02\x05\x06' >damaged/train-labels-idx1-ubyte
cp damaged/train-images-idx3-ubyte damaged/t10k-images-idx3-ubyte
cp damaged/train-labels-idx1-ubyte damaged/t10k-labels-idx1-ubyte
expect 1 "damaged/train-images-idx3-ubyte" --data damaged
check "no run folder was left behind" test ! -e runs

# ---- a short run of each recipe leaves what the README says ----
tiny="--data synthetic --train-batch-size 4 --eval-batch-size 4 --log-every 0"
small="$tiny --block-out-channels 8 8 16 --norm-num-groups 4 --layers-per-block 1 --ddpm-num-inference-steps 4"
ddpm() { "$mnist" $small --max-train-steps 6 "$@"; }
ddpm --output-dir a --checkpointing-steps 3 --save-images-steps 2 >a.txt 2>a.log </dev/null
check "a short run succeeds" test $? -eq 0
check "its last line is the picture" test "$(tail -n 1 a.txt)" = a/final.png
for file in final.png denoising.png loss.svg metrics.jsonl run.json samples/step-000002.png model/model_index.json \
  model/unet/diffusion_pytorch_model.safetensors model/scheduler/scheduler_config.json checkpoint-000003/trainer.safetensors \
  checkpoint-000006/trainer.safetensors; do
  check "a run leaves $file" test -s "a/$file"
done
check "the log has step lines" grep -q "step 6/6 | epoch 1/1 | loss" a.log
check "the log has no control characters" bash -c "! grep -q $'[\r\033]' a.log"
expect 1 "already holds a run" $small --output-dir a --max-train-steps 6
"$mnist" --recipe corrupt $tiny --max-train-steps 3 --output-dir c >/dev/null 2>c.log </dev/null
check "the corrupt recipe succeeds" test $? -eq 0
for file in final.png predictions.png loss.svg model/model.safetensors; do
  check "a corrupt run leaves $file" test -s "c/$file"
done

# ---- resuming gives the same bytes ----
cp -r a b && rm -r b/checkpoint-000006 b/final.png b/model
ddpm --output-dir b --checkpointing-steps 3 --save-images-steps 2 --resume-from-checkpoint latest >/dev/null 2>b.log </dev/null
check "a resumed run succeeds" test $? -eq 0
for file in metrics.jsonl model/unet/diffusion_pytorch_model.safetensors final.png checkpoint-000006/trainer.safetensors; do
  same "a/$file" "b/$file"
done
expect 1 "resume with the same flags" $small --output-dir b --max-train-steps 9 --resume-from-checkpoint latest --seed 5
head -c 1000 a/checkpoint-000006/trainer.safetensors >b/checkpoint-000006/trainer.safetensors
expect 1 "trainer.safetensors" $small --output-dir b --max-train-steps 9 --resume-from-checkpoint latest

# ---- the number of threads changes nothing ----
ddpm --output-dir one --threads 1 --checkpointing-steps 3 --save-images-steps 2 >/dev/null 2>&1 </dev/null
same a/checkpoint-000006/trainer.safetensors one/checkpoint-000006/trainer.safetensors

# ---- Ctrl-C saves, exits with 130, and the rest follows exactly ----
long="$small --max-train-steps 400 --checkpointing-steps 0 --save-images-steps 1000 --lr-scheduler constant --lr-warmup-steps 0"
setsid bash -c "trap - INT; exec '$mnist' $long --output-dir stopped >/dev/null 2>stopped.log </dev/null" &
for _ in $(seq 300); do grep -q "step 2/" stopped.log 2>/dev/null && break; sleep 0.1; done
kill -INT "$(pgrep -f "^$mnist.*--output-dir stopped")"
wait $!
check "Ctrl-C exits with 130 (got $?)" test $? -eq 130
saved=$(ls stopped | grep checkpoint-)
check "Ctrl-C leaves a checkpoint" test -n "$saved"
check "and says how to go on" grep -q -- "--resume-from-checkpoint latest" stopped.log
steps=$((10#${saved#checkpoint-} + 3))
go="$small --lr-scheduler constant --lr-warmup-steps 0 --checkpointing-steps 0 --save-images-steps 1000 --max-train-steps $steps"
"$mnist" $go --output-dir stopped --resume-from-checkpoint latest >/dev/null 2>&1 </dev/null
"$mnist" $go --output-dir whole >/dev/null 2>&1 </dev/null
same stopped/model/unet/diffusion_pytorch_model.safetensors whole/model/unet/diffusion_pytorch_model.safetensors
same stopped/metrics.jsonl whole/metrics.jsonl

if [ "$failures" -gt 0 ]; then echo "$failures checks failed"; exit 1; fi
