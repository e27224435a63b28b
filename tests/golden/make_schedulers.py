#!/usr/bin/env python3
"""Writes schedulers.safetensors: what diffusers' DDPM and DDIM schedulers do with given model outputs and given noise, and
their tables. Images are stored as (N, H, W, C). Needs torch, diffusers and safetensors; run it in this folder."""

import json

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers import scheduling_ddpm
from safetensors.torch import save_file

SHAPE = (2, 3, 2, 2)  # N, C, H, W
PROBES = [0, 1, 2, 249, 499, 500, 750, 997, 998, 999]
SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace")

# name: (config, arguments of set_timesteps, arguments of step)
DDPM = {
    **{f"prediction_{p}": ({"prediction_type": p}, 5, {}) for p in ("epsilon", "sample", "v_prediction")},
    **{f"variance_{v}": ({"variance_type": v}, 5, {}) for v in ("fixed_small_log", "fixed_large", "learned", "learned_range")},
    **{f"beta_{b}": ({"beta_schedule": b}, 4, {}) for b in SCHEDULES},
    "leading": ({"steps_offset": 1}, 7, {}),
    "trailing": ({"timestep_spacing": "trailing"}, 7, {}),
    "linspace": ({"timestep_spacing": "linspace"}, 7, {}),
    "zero_snr": ({"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, 4, {}),
    "no_clip": ({"clip_sample": False}, 4, {}),
    "clip_range": ({"clip_sample_range": 2.0}, 4, {}),
    "threshold": ({"thresholding": True, "sample_max_value": 1.5, "dynamic_thresholding_ratio": 0.8}, 4, {}),
    "trained_betas": ({"trained_betas": [0.05 * (i + 1) for i in range(8)], "num_train_timesteps": 8}, 8, {}),
    "custom": ({}, [990, 700, 333, 12, 0], {}),
}
DDIM = {
    **{f"prediction_{p}": ({"prediction_type": p}, 5, {}) for p in ("epsilon", "sample", "v_prediction")},
    "eta_half": ({}, 5, {"eta": 0.5}),
    "eta_one": ({"prediction_type": "v_prediction"}, 5, {"eta": 1.0}),
    "reclipped": ({}, 5, {"use_clipped_model_output": True}),
    "alpha_not_one": ({"set_alpha_to_one": False, "steps_offset": 1}, 5, {}),
    "linspace": ({"timestep_spacing": "linspace"}, 5, {}),
    "zero_snr": ({"timestep_spacing": "trailing", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}, 5, {}),
}

generator = torch.Generator().manual_seed(123)
tensors, metadata = {}, {}


def randn(*shape):
    return torch.randn(shape, generator=generator)


def nhwc(t):
    return t.movedim(-3, -1).contiguous()


def run(prefix, scheduler, set_argument, step_arguments):
    if isinstance(set_argument, list):
        scheduler.set_timesteps(timesteps=set_argument)
        metadata[f"{prefix}/custom"] = "true"
    else:
        scheduler.set_timesteps(set_argument)
    n = len(scheduler.timesteps)
    channels = 6 if "learned" in scheduler.config.get("variance_type", "") else 3
    noise = randn(n, *SHAPE)
    output = randn(n, SHAPE[0], channels, *SHAPE[2:])
    if scheduler.config.get("variance_type") == "learned":
        output[:, :, 3:] = output[:, :, 3:].abs()  # a variance
    x = randn(*SHAPE)
    tensors[f"{prefix}/start"] = nhwc(x)
    xs, x0s = [], []
    for k, t in enumerate(scheduler.timesteps):
        scheduling_ddpm.randn_tensor = lambda *_, k=k, **__: noise[k]
        if step_arguments.get("eta"):
            step_arguments["variance_noise"] = noise[k]
        result = scheduler.step(output[k], t, x, **step_arguments)
        x = result.prev_sample
        xs.append(x)
        x0s.append(result.pred_original_sample)
    for name, t in dict(model=output, noise=noise, x=torch.stack(xs), x0=torch.stack(x0s)).items():
        tensors[f"{prefix}/{name}"] = nhwc(t)
    tensors[f"{prefix}/timesteps"] = scheduler.timesteps.clone()
    metadata[f"{prefix}/config"] = json.dumps(dict(scheduler.config, _class_name=type(scheduler).__name__))
    metadata[f"{prefix}/eta"] = str(step_arguments.get("eta", 0.0))
    metadata[f"{prefix}/reclip"] = str(step_arguments.get("use_clipped_model_output", False)).lower()


for name, (config, set_argument, step_arguments) in DDPM.items():
    run(f"ddpm/{name}", DDPMScheduler(**config), set_argument, step_arguments)
for name, (config, set_argument, step_arguments) in DDIM.items():
    run(f"ddim/{name}", DDIMScheduler(**config), set_argument, step_arguments)

tensors["tables/probes"] = torch.tensor(PROBES)
for schedule in SCHEDULES:
    for zero_snr in (False, True):
        scheduler = DDPMScheduler(beta_schedule=schedule, rescale_betas_zero_snr=zero_snr)
        kind = f"tables/{schedule}/{'zero_snr' if zero_snr else 'plain'}"
        tensors[f"{kind}/betas"] = scheduler.betas[PROBES].clone()
        tensors[f"{kind}/alphas_cumprod"] = scheduler.alphas_cumprod[PROBES].clone()

scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
t, x0, noise = torch.tensor([0, 17, 500, 999]), randn(4, *SHAPE[1:]), randn(4, *SHAPE[1:])
tensors["forward/t"] = t
for name, image in dict(
    x0=x0, noise=noise, x_t=scheduler.add_noise(x0, noise, t), velocity=scheduler.get_velocity(x0, noise, t)
).items():
    tensors[f"forward/{name}"] = nhwc(image)

save_file(tensors, "schedulers.safetensors", metadata)
