"""Makes unet_options.safetensors beside this file, with torch and diffusers: the options of a UNet2DModel, one by one.

    python3 tests/golden/make_unet_options.py

Every case is a small net with the weights of torch.manual_seed(0), which imago draws by itself. In the file are only those
of norms, which would be 1 and 0 and are changed, and those that are drawn from a normal distribution (CASE/weights, in
state-dict order, one behind the other). Then there are inputs (CASE/x, t, class_labels), a gradient of the output (dy), and what diffusers made of them: the output (y) and the
gradients of x (dx) and of the parameters (gradients, in state-dict order, one behind the other; of more than 2 * PROBES
elements only every (count / PROBES)'th one, PROBES of them), and how many operations PyTorch counted (flops). Everything is computed in double and stored in single
precision, images are (N, C, H, W). The metadata says which keys of a case's config are not the default.
"""

import json
import pathlib

import torch
from diffusers import UNet2DModel
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

HERE = pathlib.Path(__file__).parent
PROBES = 32

SMALL = {"block_out_channels": [4, 8], "layers_per_block": 1, "norm_num_groups": 2}
ATTENTION = {
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": 4,
}
PLAIN = {"down_block_types": ["DownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"]}
NCSNPP = {  # as google/ncsnpp-*
    "layers_per_block": 1,
    "attention_head_dim": None,
    "mid_block_scale_factor": 2**0.5,
    "norm_eps": 1e-6,
    "norm_num_groups": None,
    "time_embedding_type": "fourier",
}

# name: (config, shape of x, time steps, class labels)
CASES = {
    "skip": (
        NCSNPP
        | {
            "block_out_channels": [8, 12, 16],
            "down_block_types": ["SkipDownBlock2D"] * 3,
            "up_block_types": ["SkipUpBlock2D"] * 3,
            "center_input_sample": True,
        },
        (2, 3, 8, 12),
        [1.5, 0.25],
        None,
    ),
    "attention_skip": (
        NCSNPP
        | {
            "block_out_channels": [32, 32],
            "down_block_types": ["AttnSkipDownBlock2D", "AttnSkipDownBlock2D"],
            "up_block_types": ["AttnSkipUpBlock2D", "AttnSkipUpBlock2D"],
            "time_embedding_dim": 16,
            "attention_head_dim": 4,
            "resnet_time_scale_shift": "scale_shift",
            "mid_block_type": None,
        },
        (1, 3, 4, 4),
        [3.0],
        None,
    ),
    "skip_in_part": (
        SMALL
        | {
            "block_out_channels": [8, 12],
            "down_block_types": ["SkipDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "SkipUpBlock2D"],
            "dropout": 0.2,
            "act_fn": "mish",
            "attention_head_dim": 3,
            "out_channels": 5,
        },
        (2, 3, 4, 4),
        [7, 800],
        None,
    ),
    "one_level": (
        SMALL | {"block_out_channels": [4], "down_block_types": ["AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D"]}
        | {"attention_head_dim": 2, "layers_per_block": 3},
        (1, 3, 3, 5),
        [11],
        None,
    ),
    "odd_width": (
        SMALL | PLAIN | {"block_out_channels": [3, 6], "norm_num_groups": 3, "attention_head_dim": 2, "act_fn": "swish"},
        (2, 3, 4, 6),
        [1, 999],
        None,
    ),
    "sines_first": (SMALL | PLAIN | {"flip_sin_to_cos": False, "add_attention": False}, (1, 3, 4, 4), [55], None),
    "frequency_shift": (SMALL | PLAIN | {"freq_shift": 1, "add_attention": False}, (1, 3, 4, 4), [55], None),
    "padding": (
        SMALL | ATTENTION | {"down_block_types": ["AttnDownBlock2D", "DownBlock2D"], "downsample_padding": 0},
        (1, 3, 4, 6),
        [300],
        None,
    ),
    "resnet_down_conv_up": (
        SMALL | ATTENTION | {"down_block_types": ["AttnDownBlock2D", "DownBlock2D"], "downsample_type": "resnet"},
        (1, 3, 4, 4),
        [300],
        None,
    ),
    "conv_down_resnet_up": (
        SMALL | ATTENTION | {"up_block_types": ["AttnUpBlock2D", "UpBlock2D"], "upsample_type": "resnet"},
        (1, 3, 4, 4),
        [300],
        None,
    ),
    "mid_scale": (
        SMALL
        | PLAIN
        | {"block_out_channels": [4, 12], "mid_block_scale_factor": 3.0, "attn_norm_num_groups": 3}
        | {"attention_head_dim": None},
        (1, 3, 4, 4),
        [300],
        None,
    ),
    "film_without_norm": (SMALL | PLAIN | {"resnet_time_scale_shift": "scale_shift"}, (1, 3, 4, 4), [20], None),
    "film_with_norm": (
        SMALL | PLAIN | {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 4},
        (1, 3, 4, 4),
        [20],
        None,
    ),
    "classes": (SMALL | PLAIN | {"num_class_embeds": 5, "time_embedding_dim": 10}, (2, 3, 4, 4), [20, 30], [4, 0]),
    "class_times": (SMALL | PLAIN | {"class_embed_type": "timestep"}, (2, 3, 4, 4), [20, 30], [4, 900]),
    "class_vectors": (SMALL | PLAIN | {"class_embed_type": "identity"}, (1, 3, 4, 4), [20], [[0.1 * i for i in range(16)]]),
    "learned_times": (
        SMALL | PLAIN | {"time_embedding_type": "learned", "num_train_timesteps": 7, "mid_block_type": None},
        (2, 3, 4, 4),
        [6, 0],
        None,
    ),
    "fourier_times": (SMALL | PLAIN | {"time_embedding_type": "fourier", "act_fn": "relu"}, (2, 3, 4, 4), [9.0, 0.5], None),
    "fractional_times": (SMALL | PLAIN | {"norm_eps": 0.1, "act_fn": "gelu"}, (2, 3, 4, 4), [9.75, 0.5], None),
    "old_names": (
        SMALL
        | {
            "down_block_types": ["UNetResDownBlock2D", "UNetResAttnDownBlock2D"],
            "up_block_types": ["UNetResResnetUpsampleBlock2D", "UNetResUpBlock2D"],
            "attention_head_dim": 4,
        },
        (1, 3, 4, 4),
        [300],
        None,
    ),
}


def normal(shape, generator):
    return torch.randn(shape, generator=generator).double()


def probes(t):
    t = t.flatten()
    return t[:: max(1, len(t) // PROBES)][:PROBES] if len(t) > 2 * PROBES else t


def make(config, shape, t, labels):
    torch.manual_seed(0)
    model = UNet2DModel(**config).double().eval()
    model.time_proj.register_forward_hook(lambda module, args, out: out.double())
    generator = torch.Generator().manual_seed(1)
    tensors, weights = {}, []
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "norm" in key:
                p.add_(0.3 * normal(p.shape, generator))
                p.copy_(p.float())
            if "norm" in key or key in ("time_proj.weight", "class_embedding.weight"):
                weights.append(p.detach().flatten())
    x = normal(shape, generator).requires_grad_()
    t = torch.tensor(t)
    t = t.double() if t.is_floating_point() else t
    if labels is not None:
        labels = torch.tensor(labels)
        labels = labels.float().double() if labels.is_floating_point() else labels
        tensors["class_labels"] = labels
    with FlopCounterMode(display=False) as counter:
        y = model(x, t, class_labels=labels).sample
    dy = normal(y.shape, generator)
    y.backward(dy)
    gradients = [probes(p.grad) for p in model.parameters() if p.requires_grad]
    return tensors | {
        "x": x.detach(),
        "t": t,
        "dy": dy,
        "y": y.detach(),
        "dx": x.grad,
        "weights": torch.cat(weights),
        "gradients": torch.cat(gradients),
        "flops": torch.tensor(counter.get_total_flops()),
    }


def main():
    tensors, metadata = {}, {}
    for name, case in CASES.items():
        metadata[name] = json.dumps(case[0])
        for key, t in make(*case).items():
            tensors[f"{name}/{key}"] = (t.float() if t.is_floating_point() else t).contiguous()
    save_file(tensors, HERE / "unet_options.safetensors", metadata)


if __name__ == "__main__":
    main()
