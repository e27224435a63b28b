#!/usr/bin/env python3
"""Writes optim.safetensors: what PyTorch's optimisers, diffusers' moving average, its learning-rate schedules and its
time-step embedding give. Needs torch, diffusers and safetensors; run it in this folder."""

import torch
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file

STEPS = 4
SHAPES = {"conv.weight": (2, 3, 3, 3), "conv.bias": (2,), "scale": (17,)}
OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.95, 0.999), weight_decay=0.1),
}
EMBEDDINGS = {
    "unet": dict(embedding_dim=32, flip_sin_to_cos=True, downscale_freq_shift=0),
    "ddpm": dict(embedding_dim=32, flip_sin_to_cos=False, downscale_freq_shift=1),
    "odd": dict(embedding_dim=7, flip_sin_to_cos=True, downscale_freq_shift=0.5),
    "scaled": dict(embedding_dim=10, flip_sin_to_cos=False, downscale_freq_shift=0, scale=2.5, max_period=500),
}

generator = torch.Generator().manual_seed(11)
out = {}


def randn(shape):
    return torch.randn(shape, generator=generator)


def optimise(make):
    """The parameters, their average and the gradients' norms after STEPS updates, gradients clipped to norm 2."""
    parameters = {name: torch.nn.Parameter(out[f"start/{name}"].clone()) for name in SHAPES}
    optimiser = make(parameters.values())
    average = EMAModel(parameters.values(), use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    norms = []
    for k in range(STEPS):
        for name, p in parameters.items():
            p.grad = out[f"gradient{k}/{name}"].clone()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), 2.0))
        optimiser.step()
        average.step(parameters.values())
    return parameters, dict(zip(parameters, average.shadow_params)), torch.stack(norms)


for name, shape in SHAPES.items():
    out[f"start/{name}"] = randn(shape)
    for k in range(STEPS):
        out[f"gradient{k}/{name}"] = randn(shape) * (0.1 if k == 2 else 1.0)  # the third is not clipped
for kind, make in OPTIMISERS.items():
    parameters, average, norms = optimise(make)
    for name in SHAPES:
        out[f"{kind}/{name}"] = parameters[name].detach()
        out[f"{kind}/ema/{name}"] = average[name]
    out[f"{kind}/norms"] = norms

for kind in ("constant_with_warmup", "linear", "cosine"):
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = get_scheduler(kind, optimiser, num_warmup_steps=3, num_training_steps=12)
    rates = []
    for _ in range(13):
        rates.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    out[f"learning_rate/{kind}"] = torch.tensor(rates, dtype=torch.float64)

out["embedding/steps"] = torch.tensor([0, 1, 37, 500, 999])
out["embedding/fractions"] = torch.tensor([0.25, 749.75, 999.0])
for kind, options in EMBEDDINGS.items():
    for t in ("steps", "fractions"):
        out[f"embedding/{kind}/{t}"] = get_timestep_embedding(out[f"embedding/{t}"], **options)

save_file({name: t.contiguous() for name, t in out.items()}, "optim.safetensors")
