#!/usr/bin/env bash
# The command `imago` from the outside, on a tiny model that mnist trained.
#   test_imago_command.sh PATH_TO_IMAGO PATH_TO_MNIST PATH_TO_CLASS_MODEL
mnist=$(realpath "$2") class_model=$(realpath "$3")
golden=$(realpath "$(dirname "$0")/golden")
source "$(dirname "$0")/program.sh" "$1"
export XDG_CACHE_HOME=$work/cache

# ---- help and mistakes ----
"$program" >help.txt
check "imago alone is no error" test $? -eq 0
"$program" --help >same.txt
same help.txt same.txt
check "with the picture and what to begin with" grep -q "imago sample runs/mine/model" same.txt
for command in train sample info convert doctor; do
  check "its help lists $command" grep -q "^  $command" help.txt
  "$program" $command --help >/dev/null
  check "$command has help" test $? -eq 0
done
expect 2 "did you mean sample?" smaple
expect 2 "did you mean --steps?" sample x --stesp 3
expect 2 "model" sample
expect 2 "--ddpm-beta-schedule" train . --ddpm-beta-schedule exp  # DDPMScheduler has no such in Python
expect 1 "there is no folder nowhere" train nowhere --output-dir never
expect 1 "--resolution must be a multiple of 8 for 4 levels, got 10" train . --resolution 10
expect 1 "--attention-levels must be from 0 to 4" train . --attention-levels 5
expect 1 "--snr-weighting and --snr-gamma exclude each other" train . --snr-weighting --snr-gamma 5
expect 1 "there is no nowhere" info nowhere
expect 1 "nowhere is not a folder" sample nowhere
"$program" doctor >doctor.txt
check "doctor knows the processor" grep -q "^processor: " doctor.txt
check "doctor says why there is no GPU, or that there is one" grep -q "^GPU:" doctor.txt

# ---- a model ----
"$mnist" --data synthetic --train-batch-size 4 --eval-batch-size 1 --block-out-channels 8 16 --norm-num-groups 4 \
  --ddpm-num-inference-steps 2 --max-train-steps 2 --output-dir run >/dev/null 2>&1
model=run/model
"$program" info run >info.txt
check "info finds the run's model" grep -q "^UNet2DModel in run/model" info.txt
check "info counts floating-point operations" grep -Eq "^pictures: 28 x 28, 1 channels; [0-9.]+ GFLOP" info.txt
check "info counts parameters" grep -Eq "^parameters: [0-9]+ " info.txt
check "info says what drawing needs" grep -Eq "^memory to draw: [0-9.]+ MB, and [0-9.]+ MB for every further" info.txt
check "info says what training needs" grep -Eq "^memory to train: [0-9.]+ MB, and [0-9.]+ MB for every further" info.txt
check "info names the scheduler" grep -q "^scheduler: DDPMScheduler, 1000 time steps" info.txt
"$program" info $model/unet/diffusion_pytorch_model.safetensors >tensors.txt
"$program" info $model/unet >unet.txt
check "info looks into a model by itself" grep -q "^UNet2DModel in $model/unet" unet.txt
check "which has no scheduler" bash -c "! grep -q '^scheduler' unet.txt"
"$program" info run/checkpoint-* >checkpoint.txt
check "info looks into a checkpoint" grep -q "^UNet2DModel in run/checkpoint-000002/model_ema" checkpoint.txt
"$program" info "$golden/state_dict.bin" >bin.txt
check "info lists the tensors of a file of PyTorch's" grep -q "^16 tensors, " bin.txt
check "info lists the tensors of a file" grep -q "conv_in.weight .*F32 (8, 1, 3, 3)" tensors.txt

sample() { "$program" sample $model --steps 3 --num-images 5 --size 8 "$@"; }
sample --output a.png --strip strip.png --animation moving.png --images each >said.txt 2>err.txt
check "sample succeeds" test $? -eq 0
check "it says where the picture is" test "$(cat said.txt)" = a.png
check "a log gets no control characters" bash -c "! grep -q $'[\r\033]' err.txt"
check "five pictures by themselves" test "$(ls each | wc -l)" -eq 5
check "the strip is wider than high" test "$(number_at strip.png 16)" -gt 0
check "the animation moves" grep -q acTL moving.png
sample --output b.png --batch-size 2 >/dev/null
same a.png b.png  # whatever the batches
sample --output c.png --seed 1 >/dev/null
check "another seed gives another picture" bash -c "! cmp -s a.png c.png"
expect 1 "--steps must be at most 1000" sample $model --steps 2000

# ---- what the model is made for decides the sampler ----
sample --torch-seed 3 --output torch.png >/dev/null
sample --torch-seed 3 --sampler own --output own.png >/dev/null
same torch.png own.png
sample --torch-seed 3 --sampler ddim --output ddim.png >/dev/null
check "Python's noise, another sampler" bash -c "! cmp -s torch.png ddim.png"
cp -r $model edm
echo '{"_class_name": "EDMEulerScheduler"}' >edm/scheduler/scheduler_config.json
sed -i s/DDPMScheduler/EDMEulerScheduler/ edm/model_index.json
expect 1 "--sampler must be own for the model in edm, which is made for EDMEulerScheduler" sample edm --sampler ddim
"$program" sample edm --steps 2 --num-images 1 --size 8 --output edm.png >/dev/null
check "a model of EDM's draws by its own" test -s edm.png
sed -i s/EDMEulerScheduler/LMSDiscreteScheduler/ edm/model_index.json
expect 1 "class must be one of DDPMScheduler, DDIMScheduler" sample edm
check "info says so, too" bash -c "'$program' info edm | grep -q 'class must be one of'"
"$program" sample edm --sampler ddim --steps 2 --num-images 1 --size 8 --output lms.png >/dev/null
check "whoever chooses a sampler gets it" test -s lms.png

# ---- more pictures than a PNG has room for ----
expect 1 "--num-images must be at most 4, which fit on one PNG" sample $model --size 4 6000 --num-images 9
"$program" sample $model --steps 1 --num-images 5 --size 4 6000 --images wide --output wide.png >/dev/null 2>err.txt
check "unless each is written by itself" test "$(ls wide | wc -l)" -eq 5
check "then it says what the grid leaves out" grep -qx "wide.png will show the first 4 of 5 pictures" err.txt

# ---- a model with classes ----
"$class_model" classes
expect 1 "use --class-labels" sample classes
expect 1 "--class-labels must be less than 3" sample classes --class-labels 1 3
expect 1 "knows no classes" sample $model --class-labels 0
draw() { "$program" sample classes --steps 3 --num-images 4 "$@" >/dev/null; }
draw --class-labels 2 0 --output two.png
check "a model with classes draws" test $? -eq 0
draw --class-labels 2 0 2 0 --output four.png
same two.png four.png  # labels are taken in turn
draw --class-labels 2 1 --output other.png
check "another class gives another picture" bash -c "! cmp -s two.png other.png"
check "info looks into it" bash -c "'$program' info classes | grep -q '^memory to train'"

# ---- the same model, written anew ----
"$program" convert $model copy >/dev/null 2>err.txt
check "convert succeeds" test $? -eq 0
for file in model_index.json unet/config.json unet/diffusion_pytorch_model.safetensors scheduler/scheduler_config.json; do
  same $model/$file copy/$file
done
expect 1 "copy exists already; --overwrite" convert $model copy

# ---- pictures ----
mkdir -p pictures/one pictures/two
cp each/00000.png pictures/one/a.png
cp each/00001.png pictures/two/b.png
head -c 100 each/00002.png >pictures/two/half.png
"$program" info pictures >pictures.txt
check "info counts pictures" grep -q "^2 pictures in pictures" pictures.txt
check "info counts classes" grep -Eq "^  two +1$" pictures.txt
check "info names what cannot be read" grep -q "two/half.png" pictures.txt

# ---- training on them, and going on from there ----
tiny="--resolution 8 --block-out-channels 8 8 --norm-num-groups 4 --train-batch-size 2 --eval-batch-size 2
  --ddpm-num-inference-steps 2"
"$program" train pictures $tiny --max-train-steps 2 --output-dir mine >said.txt 2>err.txt
check "train succeeds" test $? -eq 0
check "it says what it chose" grep -q "^preset small: 8 x 8 pixels, channels 8 8" err.txt
check "it says what it read" grep -q "^2 pictures from pictures" err.txt
check "it names what it skipped" grep -q "^skipped: .*half.png" err.txt
check "its last line is the picture" test "$(tail -n 1 said.txt)" = mine/final.png
check "it leaves a model" test -s mine/model/model_index.json
"$program" sample mine/model --steps 2 --num-images 1 --output mine.png >/dev/null
check "which draws" test -s mine.png
"$program" train pictures --pretrained mine/model --train-batch-size 2 --eval-batch-size 2 --ddpm-num-inference-steps 2 \
  --max-train-steps 1 --output-dir further >/dev/null 2>err.txt
check "and goes on" grep -q "^going on from mine/model: 8 x 8 pixels" err.txt
check "from pictures decoded before" grep -q "^2 pictures from pictures, decoded before" err.txt
# The schedule and what is predicted are the model's, whatever the preset says.
sed -i 's/"linear"/"squaredcos_cap_v2"/; s/"fixed_small"/"fixed_large"/; s/"v_prediction"/"epsilon"/' \
  mine/model/scheduler/scheduler_config.json
"$program" train pictures --pretrained mine/model --train-batch-size 2 --eval-batch-size 2 --ddpm-num-inference-steps 2 \
  --max-train-steps 1 --output-dir other >/dev/null 2>err.txt
check "a model keeps its schedule" grep -q "^going on from mine/model: .*, squaredcos_cap_v2 betas, predicts epsilon" err.txt
same mine/model/scheduler/scheduler_config.json other/model/scheduler/scheduler_config.json
"$program" train pictures --pretrained mine/model --train-batch-size 2 --eval-batch-size 2 --ddpm-num-inference-steps 2 \
  --max-train-steps 2 --resume-from-checkpoint latest --output-dir other >/dev/null 2>err.txt
check "and goes on" grep -q "^run: other, resumed at step 1" err.txt
cp -r mine/model dpm
sed -i 's/DDPMScheduler/DPMSolverMultistepScheduler/; s/"variance_type": "[a-z_]*"/"variance_type": null/' \
  dpm/scheduler/scheduler_config.json dpm/model_index.json
"$program" train pictures --pretrained dpm --train-batch-size 2 --eval-batch-size 2 --ddpm-num-inference-steps 2 \
  --max-train-steps 1 --output-dir from_dpm >/dev/null 2>&1
check "a model with another sampler is trained, too" test -s from_dpm/model/model_index.json
expect 1 "--overwrite-output-dir would throw away the model of --pretrained" train pictures --pretrained other/model \
  --output-dir other --overwrite-output-dir
"$program" train pictures --preset tutorial --block-out-channels 8 8 8 8 8 8 --norm-num-groups 4 --resolution 32 \
  --train-batch-size 1 --eval-batch-size 1 --ddpm-num-inference-steps 2 --max-train-steps 1 --output-dir tutorial \
  >/dev/null 2>&1
check "the tutorial's network has attention on the level above the lowest" \
  grep -q '"AttnDownBlock2D", "DownBlock2D"\]' <(tr -s ' \n' ' ' <tutorial/model/unet/config.json | sed 's/ \]/]/g')
expect 1 "--resolution must be 8 as the model's, got 16" train pictures --pretrained mine/model --resolution 16
expect 1 "--norm-num-groups and --pretrained exclude each other" train pictures --pretrained mine/model --norm-num-groups 2
finish
