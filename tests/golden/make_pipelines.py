#!/usr/bin/env python3
"""Writes pipelines.safetensors: what diffusers' pipelines draw with a UNet that torch.manual_seed(0) has made and noise of
torch.Generator().manual_seed(7). Weights are not kept: imago makes the same from the seed. Images are (N, H, W, C). Needs
torch, diffusers and safetensors; run it in this folder."""

import torch
from diffusers import (
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    UNet2DModel,
)
from safetensors.torch import save_file

BATCH, STEPS = 3, 6
torch.manual_seed(0)
unet = UNet2DModel(
    sample_size=8,
    block_out_channels=(4, 8),
    layers_per_block=1,
    norm_num_groups=4,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
).eval()
tensors = {}


def keep(name, image):
    tensors[f"{name}/image"] = torch.as_tensor(image).contiguous()
    tensors[f"{name}/uint8"] = (torch.as_tensor(image) * 255).round().to(torch.uint8).contiguous()


def pipeline(name, kind, scheduler, **arguments):
    pipe = kind(unet=unet, scheduler=scheduler)
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(7)
    keep(name, pipe(BATCH, generator=generator, num_inference_steps=STEPS, output_type="np", **arguments).images)


@torch.no_grad()
def by_hand(name, scheduler):
    """As a user writes the loop for schedulers that scale x, which those pipelines do not."""
    generator = torch.Generator().manual_seed(7)
    scheduler.set_timesteps(STEPS)
    x = torch.randn((BATCH, 3, 8, 8), generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        model = unet(scheduler.scale_model_input(x, t), t).sample
        x = scheduler.step(model, t, x, generator=generator).prev_sample
    keep(name, (x / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1))


pipeline("DDPMScheduler", DDPMPipeline, DDPMScheduler())
pipeline("DDIMScheduler", DDIMPipeline, DDIMScheduler())
pipeline("DDIMScheduler/eta", DDIMPipeline, DDIMScheduler(), eta=1.0)
pipeline("DPMSolverMultistepScheduler", DDPMPipeline, DPMSolverMultistepScheduler())
by_hand("EulerDiscreteScheduler", EulerDiscreteScheduler())
by_hand("EulerAncestralDiscreteScheduler", EulerAncestralDiscreteScheduler())
save_file(tensors, "pipelines.safetensors")
