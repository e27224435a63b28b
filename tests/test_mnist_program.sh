#!/usr/bin/env bash
# The mnist program from the outside: exit codes, messages, the files of a run, signals, and exact resuming.
#   test_mnist_program.sh PATH_TO_MNIST
source "$(dirname "$0")/program.sh" "$1"
mnist=$program

# ---- wrong flags, wrong files: one sentence, a non-zero code, nothing written ----
expect 2 "did you mean --train-batch-size?" --train-batchsize 3
expect 2 "--num-epochs" --num-epochs 0
expect 2 "--recipe" --recipe magic
expect 1 "no-such-folder" --data no-such-folder
expect 1 "--ddpm-num-inference-steps must be at most" --data synthetic --ddpm-num-steps 20 --output-dir never
expect 1 "no checkpoint to resume from" --data synthetic --output-dir empty --resume-from-checkpoint latest
expect 1 "--precision bf16 must be with --device cuda" --data synthetic --precision bf16
expect 1 "--gradient-checkpointing must be none" --recipe corrupt --data synthetic --gradient-checkpointing blocks
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
check "the log says what memory a step takes" \
  grep -q "^memory: .* for model, optimiser and data, .* for a step; batches of up to [0-9]* fit" a.log
check "the log has no control characters" bash -c "! grep -q $'[\r\033]' a.log"
expect 1 "already holds a run" $small --output-dir a --max-train-steps 6
"$mnist" --recipe corrupt $tiny --max-train-steps 3 --output-dir c >/dev/null 2>c.log </dev/null
check "the corrupt recipe succeeds" test $? -eq 0
for file in final.png predictions.png loss.svg model/model.safetensors; do
  check "a corrupt run leaves $file" test -s "c/$file"
done

expect 1 "prediction_type of a PNDMScheduler must be epsilon or v_prediction, got sample" $small --sampler pndm --output-dir never
for sampler in ddim dpmsolver++ euler euler_a heun pndm; do
  target=sample
  if [ $sampler = pndm ]; then target=epsilon; fi  # diffusers has no PNDM for sample
  "$mnist" $small --output-dir "sampler-$sampler" --max-train-steps 1 --sampler "$sampler" --prediction-type $target \
    >/dev/null 2>&1 </dev/null
  check "the sampler $sampler draws" test -s "sampler-$sampler/denoising.png"
done
expect 2 "--sampler" $small --output-dir never --sampler magic

# ---- resuming gives the same bytes ----
cp -r a b && rm -r b/checkpoint-000006 b/final.png b/model
ddpm --output-dir b --checkpointing-steps 3 --save-images-steps 2 --resume-from-checkpoint latest >/dev/null 2>b.log </dev/null
check "a resumed run succeeds" test $? -eq 0
for file in metrics.jsonl model/unet/diffusion_pytorch_model.safetensors final.png checkpoint-000006/trainer.safetensors; do
  same "a/$file" "b/$file"
done
expect 1 "resume with the same flags" $small --output-dir b --max-train-steps 9 --resume-from-checkpoint latest --seed 5
on_with() { expect 1 "was saved with $1" $small --output-dir b --max-train-steps 9 --resume-from-checkpoint latest $2; }
on_with "learning_rate 0.0015, this run has 0.002" "--learning-rate 2e-3"
on_with "adam_beta1 0.9, this run has 0.8" "--adam-beta1 0.8"
on_with "lr_scheduler cosine, this run has constant" "--lr-scheduler constant"
on_with "ddpm_beta_schedule squaredcos_cap_v2, this run has sigmoid" "--ddpm-beta-schedule sigmoid"
on_with "prediction_type sample, this run has epsilon" "--prediction-type epsilon"
expect 1 "block_out_channels 8 8 16, this run has 8 16 16" ${small/8 8 16/8 16 16} --output-dir b --max-train-steps 9 \
  --resume-from-checkpoint latest
on_with "recipe ddpm, this run has corrupt" "--recipe corrupt"
head -c 1000 a/checkpoint-000006/trainer.safetensors >b/checkpoint-000006/trainer.safetensors
expect 1 "trainer.safetensors" $small --output-dir b --max-train-steps 9 --resume-from-checkpoint latest

# A run may be made longer; where that bends the learning rate, it says so.
cp -r a longer && rm longer/final.png
"$mnist" $small --output-dir longer --max-train-steps 8 --resume-from-checkpoint latest >/dev/null 2>longer.log </dev/null
check "a longer run goes on" test $? -eq 0
check "and says that its learning rate is another one" \
  grep -q "learning rate (cosine) was that of a run of 6 steps, from here on it is that of 8 steps" longer.log
check "a longer run has all its steps" test "$(wc -l <longer/metrics.jsonl)" -eq 8

corrupt() { "$mnist" --recipe corrupt $tiny --max-train-steps 4 --checkpointing-steps 2 "$@" >/dev/null 2>&1 </dev/null; }
corrupt --output-dir d
cp -r d e && rm -r e/checkpoint-000004 e/final.png e/model
corrupt --output-dir e --resume-from-checkpoint latest
for file in metrics.jsonl model/model.safetensors final.png predictions.png checkpoint-000004/trainer.safetensors; do
  same "d/$file" "e/$file"
done

# Twelve images make three batches: from the last step of an epoch into the next, and from a step before.
mkdir twelve
{ printf '\x00\x00\x08\x03\x00\x00\x00\x0c\x00\x00\x00\x1c\x00\x00\x00\x1c'; head -c $((12 * 784)) "$mnist"; } \
  >twelve/train-images-idx3-ubyte
{ printf '\x00\x00\x08\x01\x00\x00\x00\x0c'; head -c 12 /dev/zero; } >twelve/train-labels-idx1-ubyte
cp twelve/train-images-idx3-ubyte twelve/t10k-images-idx3-ubyte
cp twelve/train-labels-idx1-ubyte twelve/t10k-labels-idx1-ubyte
epochs() { "$mnist" ${small/synthetic/twelve} --num-epochs 2 --checkpointing-steps 1 "$@" >/dev/null 2>epochs.log </dev/null; }
epochs --output-dir epochs --checkpoints-total-limit 0
check "two epochs of three batches are six steps" test -d epochs/checkpoint-000006
check "the last one is of the second epoch" grep -q '"step": 6, "epoch": 2' epochs/metrics.jsonl
for from in 2 3; do
  epochs --output-dir "from$from" --resume-from-checkpoint "epochs/checkpoint-00000$from"
  check "from step $from into the second epoch (exit code $?)" test -s "from$from/final.png"
  same epochs/checkpoint-000006/trainer.safetensors "from$from/checkpoint-000006/trainer.safetensors"
done

# ---- what is computed again in backward, what is watched, and tf32 change nothing on the CPU ----
for level in norms blocks; do
  ddpm --output-dir $level --gradient-checkpointing $level --checkpointing-steps 3 --save-images-steps 2 --detect-anomaly \
    >/dev/null 2>&1 </dev/null
  same a/checkpoint-000006/trainer.safetensors $level/checkpoint-000006/trainer.safetensors
done
ddpm --output-dir tf32 --precision tf32 >/dev/null 2>tf32.log </dev/null
check "tf32 on the CPU is said to be without effect" grep -q "the CPU computes in f32 all the same" tf32.log
same a/model/unet/diffusion_pytorch_model.safetensors tf32/model/unet/diffusion_pytorch_model.safetensors

# ---- a loss that is not finite: the step, and the operation it came from ----
for watch in "" --detect-anomaly; do
  ddpm --output-dir broken --overwrite-output-dir --learning-rate 1e30 --lr-warmup-steps 0 --max-grad-norm 0 $watch \
    >/dev/null 2>broken.log </dev/null
  check "a run that diverges ends with 1 (got $?)" test $? -eq 1
  check "and names the operation" grep -q "step 2: .* not finite in the result of .*, operation .* of the forward pass: " broken.log
  check "and keeps what was learnt before" test -s broken/checkpoint-000001/trainer.safetensors
done

# ---- the number of threads changes nothing, nor does a graph ----
ddpm --output-dir one --threads 1 --checkpointing-steps 3 --save-images-steps 2 >/dev/null 2>&1 </dev/null
same a/checkpoint-000006/trainer.safetensors one/checkpoint-000006/trainer.safetensors
ddpm --output-dir plain --no-graph --checkpointing-steps 3 --save-images-steps 2 >/dev/null 2>&1 </dev/null
for file in checkpoint-000006/trainer.safetensors metrics.jsonl final.png denoising.png; do same "a/$file" "plain/$file"; done

# ---- a run that diverges stops in one sentence and keeps what it had ----
for how in --graph --no-graph; do
  "$mnist" $small --max-train-steps 50 --learning-rate 1e30 --lr-scheduler constant --lr-warmup-steps 0 --max-grad-norm 0 \
    --output-dir "diverged$how" $how >/dev/null 2>diverged.log </dev/null
  check "a run that diverges $how exits with 1 (got $?)" test $? -eq 1
  check "and names the step and a parameter" \
    grep -q "training: .* step [0-9]* is .*, and the first gradient that is not finite is that of .*; a lower learning rate may help" diverged.log
  kept=$(ls "diverged$how" | grep checkpoint-)
  check "and leaves a checkpoint with the steps before" test $((10#${kept#checkpoint-})) -eq "$(wc -l <"diverged$how/metrics.jsonl")"
done
same diverged--graph/metrics.jsonl diverged--no-graph/metrics.jsonl

# ---- Ctrl-C saves, exits with 130, and the rest follows exactly ----
long="$small --max-train-steps 4000 --checkpointing-steps 0 --save-images-steps 9000 --lr-scheduler constant --lr-warmup-steps 0"
# start NAME UNTIL ARGS...: a run in the background, $run, that has said UNTIL
start() {
  local name=$1 until=$2
  shift 2
  "$mnist" "$@" --output-dir "$name" >/dev/null 2>"$name.log" </dev/null &
  run=$!
  for _ in $(seq 600); do grep -q "$until" "$name.log" 2>/dev/null && break; sleep 0.1; done
}
start stopped "step 2/" $long
kill -INT $run
wait $run
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

# ---- so does the signal that systems stop programs with; the exit code is its own ----
start terminated "step 2/" $long --overwrite-output-dir
kill -TERM $run
wait $run
check "SIGTERM exits with 143 (got $?)" test $? -eq 143
check "SIGTERM leaves a checkpoint" bash -c "ls terminated/checkpoint-*/trainer.safetensors >/dev/null"
check "and says how to go on" bash -c "tail -n 1 terminated.log | grep -v overwrite | grep -q -- '--resume-from-checkpoint latest --output-dir terminated'"
check "which is not to overwrite what was saved" bash -c "! grep overwrite terminated.log"

# ---- a second Ctrl-C does not wait for the step at hand (seconds, here) ----
start twice "^run: " --data synthetic --threads 1 --train-batch-size 24 --block-out-channels 128 128 128
kill -INT $run
sleep 0.3
kill -INT $run
wait $run
check "a second Ctrl-C ends with 130 (got $?)" test $? -eq 130
check "at once: nothing was saved" bash -c "! ls twice | grep checkpoint-"
check "nor said" bash -c "! grep stopped twice.log"


# ---- a batch in parts: the same images, noise and losses, to rounding ----
for parts in "8 1" "2 4"; do
  set -- $parts
  "$mnist" ${small/--train-batch-size 4/} --max-train-steps 3 --output-dir parts$2 --train-batch-size $1 --gradient-accumulation-steps $2 \
    >/dev/null 2>&1
  grep -o '"loss": *[^,}]*' parts$2/metrics.jsonl | cut -d: -f2 >parts$2.txt
done
check "gradients accumulate" bash -c "paste parts1.txt parts4.txt | awk '
  { gap = (\$1 - \$2) / \$1; if (gap < 0) gap = -gap; if (gap > worst) worst = gap; ++n } END { exit n < 3 || worst > 1e-4 }'"
finish
