"""Makes training.safetensors beside this file, with torch and diffusers: a short training run, as diffusers' script does it.

    python3 tests/golden/make_training.py

A small UNet with the weights of seed 0 takes six steps: DDPM's noise, AdamW, a cosine with warm-up, gradients clipped to
norm 1, and a moving average. The file holds the batches (STEP/x0, STEP/noise, STEP/t), what every step said (losses, norms,
rates), and the weights (w.NAME) and their average (ema.NAME) at the end. Everything is computed in double and stored in
single precision, but what the steps said in double; images are (N, C, H, W).
"""

import json
import pathlib

import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
STEPS = 6
CONFIG = {
    "sample_size": 8,
    "block_out_channels": [4, 8],
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
}


def main():
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    model = UNet2DModel(**CONFIG).double()
    noise_scheduler = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.95, 0.999), weight_decay=0.01, eps=1e-8)
    rates = get_scheduler("cosine", optimizer, num_warmup_steps=2, num_training_steps=10)
    ema = EMAModel(model.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)

    tensors, said = {}, {"losses": [], "norms": [], "rates": []}
    for step in range(STEPS):
        x0 = torch.randn((4, 3, 8, 8), generator=generator).clamp(-1, 1)
        noise = torch.randn(x0.shape, generator=generator)
        t = torch.randint(0, 1000, (4,), generator=generator)
        tensors |= {f"{step}/x0": x0, f"{step}/noise": noise, f"{step}/t": t}
        x_t = noise_scheduler.add_noise(x0.double(), noise.double(), t)
        loss = torch.nn.functional.mse_loss(model(x_t, t).sample, noise.double())
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        said["losses"].append(loss.item())
        said["norms"].append(norm.item())
        said["rates"].append(rates.get_last_lr()[0])
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        ema.step(model.parameters())

    for (name, p), average in zip(model.named_parameters(), ema.shadow_params):
        tensors["w." + name] = p.detach().float()
        tensors["ema." + name] = average.float()
    tensors |= {name: torch.tensor(values, dtype=torch.float64) for name, values in said.items()}
    print(said)
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "training.safetensors",
              {"config": json.dumps(CONFIG)})


if __name__ == "__main__":
    main()
