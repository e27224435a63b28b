"""Makes unet_*.safetensors and basic_unet.safetensors beside this file, with torch and diffusers.

    python3 tests/golden/make_unets.py

A UNet's file holds its weights (w.NAME), inputs (in.x, in.t, in.class_labels), a gradient of its output (in.dy), and what
diffusers made of them: the output (out.y) and the gradients (g.NAME, g.x). Everything is computed in double and stored in
single precision, images are (N, C, H, W). The metadata says which keys of the config are not the default.
"""

import json
import pathlib

import torch
from diffusers import UNet2DModel
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent

SMALL = {"block_out_channels": [4, 8], "layers_per_block": 1, "norm_num_groups": 2}
ATTENTION = {
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
}

UNETS = {
    "default": {"config": SMALL | ATTENTION | {"attention_head_dim": 4}, "x": (2, 3, 8, 8), "t": [3, 977]},
    "google": {  # as google/ddpm-cifar10-32
        "config": SMALL
        | {
            "block_out_channels": [4, 8, 8],
            "layers_per_block": 2,
            "attention_head_dim": None,
            "flip_sin_to_cos": False,
            "freq_shift": 1,
            "downsample_padding": 0,
            "norm_eps": 1e-6,
            "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
        },
        "x": (2, 3, 8, 8),
        "t": [0, 512],
    },
    "film": {
        "config": SMALL
        | ATTENTION
        | {
            "resnet_time_scale_shift": "scale_shift",
            "num_class_embeds": 7,
            "downsample_type": "resnet",
            "upsample_type": "resnet",
            "down_block_types": ["AttnDownBlock2D", "AttnDownBlock2D"],
            "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D"],
            "attention_head_dim": 3,  # does not divide the channels
            "mid_block_scale_factor": 2**0.5,
            "act_fn": "gelu",
            "dropout": 0.1,
        },
        "x": (2, 3, 8, 8),
        "t": [41, 700],
        "class_labels": [6, 0],
    },
    "fourier": {
        "config": SMALL
        | ATTENTION
        | {
            "time_embedding_type": "fourier",
            "in_channels": 1,
            "out_channels": 2,
            "center_input_sample": True,
            "add_attention": False,
            "act_fn": "mish",
        },
        "x": (2, 1, 4, 6),
        "t": [1.5, 0.25],
    },
    "learned": {
        "config": SMALL
        | ATTENTION
        | {
            "time_embedding_type": "learned",
            "num_train_timesteps": 20,
            "time_embedding_dim": 6,
            "class_embed_type": "timestep",
            "mid_block_type": None,
            "act_fn": "relu",
        },
        "x": (2, 3, 8, 8),
        "t": [0, 19],
        "class_labels": [4, 11],
    },
    "resnet": {
        "config": SMALL
        | {
            "down_block_types": ["ResnetDownsampleBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "ResnetUpsampleBlock2D"],
            "resnet_time_scale_shift": "scale_shift",
            "attn_norm_num_groups": 4,
            "attention_head_dim": 2,
            "class_embed_type": "identity",
        },
        "x": (1, 3, 8, 8),
        "t": [123],
        "class_labels": "embedding",
    },
}


def narrow(tensors):
    return {k: (v.float() if v.is_floating_point() else v).contiguous() for k, v in tensors.items()}


def round_to_float(model):
    """Parameters are made in double, but the file holds them in single precision."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.float())


def normal(shape, generator):
    return torch.randn(shape, generator=generator).double()


def make_unet(name, case):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    model = UNet2DModel(**case["config"]).double().eval()
    with torch.no_grad():  # norms that are not the identity
        for key, p in model.named_parameters():
            if "norm" in key:
                p.add_(0.3 * normal(p.shape, generator))
    round_to_float(model)

    x = normal(case["x"], generator).requires_grad_()
    t = torch.tensor(case["t"])
    t = t.double() if t.is_floating_point() else t
    labels = case.get("class_labels")
    if labels == "embedding":
        labels = normal((x.shape[0], 4 * case["config"]["block_out_channels"][0]), generator)
    elif labels is not None:
        labels = torch.tensor(labels)

    y = model(x, t, class_labels=labels).sample
    dy = normal(y.shape, generator)
    y.backward(dy)

    tensors = {"in.x": x.detach(), "in.t": t, "in.dy": dy, "out.y": y.detach(), "g.x": x.grad}
    if labels is not None:
        tensors["in.class_labels"] = labels
    for key, p in model.state_dict(keep_vars=True).items():
        tensors["w." + key] = p.detach()
        if p.requires_grad:
            tensors["g." + key] = p.grad
    metadata = {"config": json.dumps(case["config"])}
    save_file(narrow(tensors), HERE / f"unet_{name}.safetensors", metadata)


class BasicUNet(torch.nn.Module):
    """Six 5x5 convolutions with a SiLU behind each; two poolings down, two doublings up; skip connections are added."""

    def __init__(self):
        super().__init__()

        def layers(*channels):
            pairs = zip(channels, channels[1:])
            return torch.nn.ModuleList(torch.nn.Conv2d(i, o, 5, padding=2) for i, o in pairs)

        self.down_layers = layers(1, 32, 64, 64)
        self.up_layers = layers(64, 64, 32, 1)

    def forward(self, x):
        silu = torch.nn.functional.silu
        skips = []
        for layer in self.down_layers[:2]:
            skips.append(silu(layer(x)))
            x = torch.nn.functional.max_pool2d(skips[-1], 2)
        x = silu(self.up_layers[0](silu(self.down_layers[2](x))))
        for layer in self.up_layers[1:]:
            x = torch.nn.functional.interpolate(x, scale_factor=2.0)
            x = silu(layer(x + skips.pop()))
        return x


def make_basic_unet():
    """The weights are those of seed 0 and not stored; gradients are stored summed over the kernel and over the channels."""
    torch.manual_seed(0)
    model = BasicUNet().double()
    torch.manual_seed(0)
    model.load_state_dict(BasicUNet().state_dict())  # drawn in single precision
    generator = torch.Generator().manual_seed(1)
    x = normal((2, 1, 28, 28), generator).requires_grad_()
    y = model(x)
    dy = normal(y.shape, generator)
    y.backward(dy)
    tensors = {"in.x": x.detach(), "in.dy": dy, "out.y": y.detach(), "g.x": x.grad}
    for key, p in model.named_parameters():
        if p.dim() == 1:
            tensors["g." + key] = p.grad
        else:
            tensors["g.channels." + key] = p.grad.sum((2, 3))
            tensors["g.kernel." + key] = p.grad.sum((0, 1))
    save_file(narrow(tensors), HERE / "basic_unet.safetensors")


if __name__ == "__main__":
    for name, case in UNETS.items():
        make_unet(name, case)
    make_basic_unet()
