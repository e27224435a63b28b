"""The networks and steps of bench/models.cpp in plain PyTorch, with its strongest settings.

    twin.py --check FILE       compares outputs and gradients with what bench_step --probe FILE wrote
    twin.py --setting NAME     waits for orders as bench_step does: "CASE REPETITIONS" -> seconds per call

Settings are a type and, behind a plus sign, a mode of torch.compile: f32, tf32, bf16, bf16+reduce-overhead,
bf16+max-autotune, ... Images are channels_last; f32-nchw is plain. bf16 is autocast over f32 weights.
"""
import argparse
import json
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

import safetensors_file

# ---- the network: UNet2DModel of diffusers, as far as these configurations need it ----


class ResnetBlock(nn.Module):
    def __init__(self, cin, cout, embedding, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, cin, eps=1e-5)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedding, cout)
        self.norm2 = nn.GroupNorm(groups, cout, eps=1e-5)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(cin, cout, 1) if cin != cout else None

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time_emb_proj(emb)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if self.conv_shortcut else x)


class Attention(nn.Module):
    def __init__(self, channels, groups, head_dim=8):
        super().__init__()
        self.heads = channels // head_dim
        self.group_norm = nn.GroupNorm(groups, channels, eps=1e-5)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x):
        n, c, height, width = x.shape
        h = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (f(h).view(n, height * width, self.heads, -1).transpose(1, 2)
                   for f in (self.to_q, self.to_k, self.to_v))
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, height * width, c)
        return x + self.to_out[0](h).transpose(1, 2).reshape(n, c, height, width)


class Sampler(nn.Module):
    """A convolution of stride 2, or one behind nearest-neighbour upsampling."""

    def __init__(self, channels, up):
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if up else 2, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x)


class Block(nn.Module):
    """A level of the way down or up, or the middle."""

    def __init__(self, channels, attention, embedding, groups, down=False, up=False):
        super().__init__()
        widths = list(zip(channels[:-1], channels[1:])) if not up else channels
        self.resnets = nn.ModuleList(ResnetBlock(i, o, embedding, groups) for i, o in widths)
        out = widths[-1][1]
        self.attentions = nn.ModuleList(Attention(out, groups) for _ in range(attention))
        if down:
            self.downsamplers = nn.ModuleList([Sampler(out, up=False)])
        elif up == "sample":
            self.upsamplers = nn.ModuleList([Sampler(out, up=True)])


class TimeEmbedding(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(channels, width), nn.Linear(width, width)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


class UNet(nn.Module):
    def __init__(self, channels, widths, layers, groups, attentive):
        super().__init__()
        levels, width = len(widths), 4 * widths[0]
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], width)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for i, w in enumerate(widths):
            attention = layers if i >= levels - attentive else 0
            self.down_blocks.append(Block([widths[max(0, i - 1)]] + [w] * layers, attention, width, groups,
                                          down=i + 1 < levels))
        self.mid_block = Block([widths[-1]] * 3, 1, width, groups)
        reverse = widths[::-1]
        for i, w in enumerate(reverse):
            previous, skip = reverse[max(0, i - 1)], reverse[min(i + 1, levels - 1)]
            pairs = [((previous if j == 0 else w) + (skip if j == layers else w), w) for j in range(layers + 1)]
            attention = layers + 1 if i < attentive else 0
            self.up_blocks.append(Block(pairs, attention, width, groups, up="sample" if i + 1 < levels else "last"))
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], eps=1e-5)
        self.conv_out = nn.Conv2d(widths[0], channels, 3, padding=1)
        half = widths[0] // 2
        self.register_buffer("frequencies", torch.exp(-math.log(10000) * torch.arange(half) / half), persistent=False)

    def forward(self, x, t):
        angles = t[:, None].float() * self.frequencies[None]
        emb = F.silu(self.time_embedding(torch.cat([angles.cos(), angles.sin()], 1)))
        h = self.conv_in(x)
        skips = [h]
        for block in self.down_blocks:
            for i, resnet in enumerate(block.resnets):
                h = resnet(h, emb)
                if len(block.attentions):
                    h = block.attentions[i](h)
                skips.append(h)
            if hasattr(block, "downsamplers"):
                h = block.downsamplers[0](h)
                skips.append(h)
        h = self.mid_block.resnets[0](h, emb)
        h = self.mid_block.resnets[1](self.mid_block.attentions[0](h), emb)
        for block in self.up_blocks:
            for i, resnet in enumerate(block.resnets):
                h = resnet(torch.cat([h, skips.pop()], 1), emb)
                if len(block.attentions):
                    h = block.attentions[i](h)
            if hasattr(block, "upsamplers"):
                h = block.upsamplers[0](h)
        return self.conv_out(F.silu(self.conv_norm_out(h)))


# name: (channels, size, batch, UNet's arguments), as bench/models.cpp has them
WORKLOADS = {
    "butterflies": (3, 64, 32, dict(widths=[64, 128, 256, 512], layers=2, groups=32, attentive=2)),
    "mnist": (1, 28, 128, dict(widths=[16, 32, 64], layers=1, groups=8, attentive=1)),
    "tiny": (3, 8, 2, dict(widths=[8, 16], layers=1, groups=4, attentive=1)),
}


def make_model(workload, device):
    channels, _, _, arguments = WORKLOADS[workload]
    return UNet(channels, **arguments).to(device)


# ---- comparison ----


def gap(ours, reference):
    ours, reference = ours.double(), reference.double()
    return ((ours - reference).norm() / reference.norm().clamp_min(1e-12)).item()


def check(args):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    probe = {k: v.to(args.device) for k, v in safetensors_file.load(args.check).items()}
    model = make_model(args.workload, args.device)
    model.load_state_dict({k[2:]: v for k, v in probe.items() if k.startswith("w.")})
    nchw = lambda x: x.permute(0, 3, 1, 2)
    y = model(nchw(probe["x"]), probe["t"])
    loss = F.mse_loss(y, nchw(probe["target"]))
    loss.backward()
    parameters = dict(model.named_parameters())
    gradients = {k: nchw(probe["g." + k]) if p.dim() == 4 else probe["g." + k] for k, p in parameters.items()}
    whole = lambda tensors: torch.cat([t.reshape(-1) for t in tensors])
    norm = whole(p.grad for p in parameters.values()).norm().item()
    gaps = {k: (gradients[k] - p.grad).norm().item() / norm for k, p in parameters.items()}
    worst = max(gaps, key=gaps.get)
    print(json.dumps({
        "parameters": sum(p.numel() for p in parameters.values()),
        "output": gap(nchw(probe["y"]), y.detach()),
        "loss": abs(probe["loss"].item() - loss.item()) / loss.item(),
        "gradients": gap(whole(gradients.values()), whole(p.grad for p in parameters.values())),
        "worst_parameter": worst,
        "worst_gradient": gaps[worst],  # its part of all gradients' norm
    }))


# ---- the steps ----


class Step:
    def __init__(self, args):
        kind, _, mode = args.setting.partition("+")
        self.device, self.bf16 = args.device, kind == "bf16"
        on_gpu = args.device == "cuda"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = kind != "f32"
        torch.backends.cudnn.benchmark = True
        layout = torch.contiguous_format if kind.endswith("nchw") else torch.channels_last
        channels, size, batch, _ = WORKLOADS[args.workload]
        self.batch = args.batch or batch
        torch.manual_seed(0)
        self.plain = make_model(args.workload, args.device).to(memory_format=layout)
        self.model = torch.compile(self.plain, mode=mode) if mode else self.plain
        self.compiled = bool(mode)
        self.parameters = list(self.plain.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, fused=True)
        self.average = [p.detach().clone() for p in self.parameters]
        self.images = torch.rand(self.batch, channels, size, size, device=args.device).to(memory_format=layout)
        alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0).to(args.device)
        self.alpha, self.sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        self.alpha_bar = alpha_bar
        self.synchronize = torch.cuda.synchronize if on_gpu else lambda: None

    def predict(self, x, t):
        if self.compiled and self.device == "cuda":
            torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            return self.model(x, t)

    def forward(self):
        self.loss = None  # a pending backward would keep CUDA graphs from being replayed
        t = torch.randint(0, 1000, (self.batch,), device=self.device)
        noise = torch.randn_like(self.images)
        shape = (-1, 1, 1, 1)
        x = self.alpha[t].view(shape) * self.images + self.sigma[t].view(shape) * noise
        self.loss = F.mse_loss(self.predict(x, t).float(), noise)

    def forward_backward(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.forward()
        self.loss.backward()

    def optimize(self):
        nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.step()
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1e-4)

    def step(self):
        self.forward_backward()
        self.optimize()

    @torch.no_grad()
    def sample(self):
        t, x = 500, self.images
        steps = torch.full((self.batch,), t, device=self.device)
        noise = self.predict(x, steps).float()
        now, before = self.alpha_bar[t], self.alpha_bar[t - 1]
        beta = 1 - now / before
        x0 = ((x - (1 - now).sqrt() * noise) / now.sqrt()).clamp(-1, 1)
        mean = before.sqrt() * beta / (1 - now) * x0 + (now / before).sqrt() * (1 - before) / (1 - now) * x
        return mean + (beta * (1 - before) / (1 - now)).sqrt() * torch.randn_like(x)


def serve(args):
    step = Step(args)
    cases = {"forward": step.forward, "forward+backward": step.forward_backward, "sample": step.sample,
             "optimizer": step.optimize, "step": step.step}
    step.step()
    step.synchronize()
    say = lambda **event: print(json.dumps(event), flush=True)
    say(event="first step")
    for _ in range(3):  # compilation, choice of algorithms, capture
        for run in cases.values():
            run()
    step.step()
    step.synchronize()
    if args.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    say(event="ready", cases=list(cases), parameters=sum(p.numel() for p in step.parameters), batch=step.batch,
        precision=args.setting, device=args.device, torch=torch.__version__)
    for line in sys.stdin:
        order, *repetitions = line.split()
        if order == "memory":
            print(torch.cuda.max_memory_allocated() if args.device == "cuda" else 0, flush=True)
            continue
        step.synchronize()
        start = time.perf_counter()
        for _ in range(int(repetitions[0])):
            cases[order]()
        step.synchronize()
        print((time.perf_counter() - start) / int(repetitions[0]), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--workload", default="butterflies", choices=WORKLOADS)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--batch", type=int, default=0)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--setting", default="bf16")
    p.add_argument("--check")
    args = p.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    check(args) if args.check else serve(args)


if __name__ == "__main__":
    main()
