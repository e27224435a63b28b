"""The other side of test_diffusers.cpp: Python with torch and diffusers.

    python3 tests/diffusers_peer.py check FOLDER   loads the pipelines that imago saved there, and compares what they compute
    python3 tests/diffusers_peer.py make FOLDER    saves a model there in every way that diffusers knows

FOLDER/exchange.safetensors has inputs and outputs: CASE/x, CASE/t, CASE/class_labels and CASE/y of one forward pass, and for
pipelines CASE/noise and CASE/images, what DDIM makes of that noise in STEPS steps. Images are (N, C, H, W).
"""

import copy
import importlib.util
import logging
import pathlib
import sys
import warnings

import torch
from diffusers import DDPMPipeline, DDPMScheduler, DiffusionPipeline, UNet2DModel
from diffusers.utils.logging import disable_progress_bar, set_verbosity_error
from safetensors.torch import load_file, save_file

STEPS = 4
TOLERANCE = 1e-5
SAMPLING_TOLERANCE = 5e-5  # the first steps of DDIM enlarge what the model is off by


class Records(logging.Handler):
    """What diffusers' loggers said, which is nothing when all is well."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []
        logging.getLogger("diffusers").addHandler(self)

    def emit(self, record):
        self.messages.append(record.getMessage())


def agree(what, ours, theirs, tolerance=TOLERANCE):
    gap = (ours - theirs).abs().max().item() / max(1.0, theirs.abs().max().item())
    if not gap <= tolerance:
        sys.exit(f"{what}: {gap:.2e} apart")


@torch.no_grad()
def check(folder):
    warnings.simplefilter("error")
    records = Records()
    exchange = load_file(folder / "exchange.safetensors")
    cases = sorted({name.split("/")[0] for name in exchange})
    memory = [False] + [True] * (importlib.util.find_spec("accelerate") is not None)
    for name in cases:
        case = {key.split("/")[1]: t for key, t in exchange.items() if key.startswith(name + "/")}
        for low_cpu_mem_usage in memory:
            options = dict(low_cpu_mem_usage=low_cpu_mem_usage, use_safetensors=True)
            pipeline = DiffusionPipeline.from_pretrained(folder / name, **options)
            pipeline.set_progress_bar_config(disable=True)
            # The other way in, which also tells what it missed or did not know.
            unet, info = UNet2DModel.from_pretrained(folder / name / "unet", output_loading_info=True, **options)
            if any(info.values()):
                sys.exit(f"{name}: {info}")
            for model in (pipeline.unet, unet):
                y = model(case["x"], case["t"], class_labels=case.get("class_labels")).sample
                agree(f"{name}, one pass", y, case["y"])
            if "images" not in case:
                continue
            x = case["noise"]
            pipeline.scheduler.set_timesteps(STEPS)
            for t in pipeline.scheduler.timesteps:
                x = pipeline.scheduler.step(pipeline.unet(x, t).sample, t, x, eta=0.0).prev_sample
            agree(f"{name}, sampling", x, case["images"], SAMPLING_TOLERANCE)
            DDPMPipeline.from_pretrained(folder / name, **options)
    if records.messages:
        sys.exit("diffusers said: " + "; ".join(records.messages))
    print(f"{len(cases)} models of imago's load and compute the same, low_cpu_mem_usage {memory}")


OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_name(key):
    for now, before in OLD_NAMES.items():
        key = key.replace(f".{now}.", f".{before}.")
    return key


@torch.no_grad()
def make(folder):
    set_verbosity_error()
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
    )
    pipeline = DDPMPipeline(unet, DDPMScheduler())
    pipeline.save_pretrained(folder / "nested")
    pipeline.save_pretrained(folder / "pickled", safe_serialization=False)
    pipeline.save_pretrained(folder / "variant", variant="fp16")
    for name in ("sharded", "sharded_pickled", "sharded_variant"):
        unet.save_pretrained(
            folder / name / "unet",
            max_shard_size="20KB",
            safe_serialization=name != "sharded_pickled",
            variant="fp16" if name == "sharded_variant" else None,
        )
    # As in 2022: everything in the root, attention under other names, weights as PyTorch saves them.
    flat = folder / "flat"
    flat.mkdir()
    for source in ("model_index.json", "unet/config.json", "scheduler/scheduler_config.json"):
        (flat / pathlib.Path(source).name).write_text((folder / "nested" / source).read_text())
    torch.save({old_name(k): v for k, v in unet.state_dict().items()}, flat / "diffusion_pytorch_model.bin")

    x, t = torch.randn(2, 3, 8, 8), torch.tensor([3, 700])
    exchange = {"full/x": x, "full/t": t, "full/y": unet(x, t).sample}
    for name, dtype in (("half", torch.float16), ("bfloat", torch.bfloat16)):
        for p in unet.parameters():
            p.copy_(p.to(dtype))
        copy.deepcopy(unet).to(dtype).save_pretrained(folder / name / "unet")
        exchange[f"{name}/y"] = unet(x, t).sample
    save_file({k: v.contiguous() for k, v in exchange.items()}, folder / "exchange.safetensors")


if __name__ == "__main__":
    disable_progress_bar()
    {"check": check, "make": make}[sys.argv[1]](pathlib.Path(sys.argv[2]))
