"""What our benchmarks do, done by PyTorch. make(case, layout) builds the twin of one of our cases, ready to call."""
import torch

FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def make(case, layout):
    torch.manual_seed(0)
    return MAKERS[case.get("kind", "conv2d")](case, FORMATS[layout])


def make_conv2d(case, layout):
    stride, padding = [case["stride"]] * 2, [case["padding"]] * 2
    x = torch.randn(case["n"], case["c"], case["size"], case["size"]).contiguous(memory_format=layout)
    weight = torch.randn(case["o"], case["c"], case["kernel"], case["kernel"]).contiguous(memory_format=layout)
    dy = torch.randn_like(torch.nn.functional.conv2d(x, weight, None, stride, padding))
    if case["direction"] == "forward":
        def run():
            with torch.no_grad():
                torch.nn.functional.conv2d(x, weight, None, stride, padding)
    else:
        wanted = [case["direction"] == "input", case["direction"] == "weight", False]

        def run():
            torch.ops.aten.convolution_backward(dy, x, weight, None, stride, padding, [1, 1], False, [0, 0], 1, wanted)
    return run


class BasicUNet(torch.nn.Module):
    """The small UNet of the Hugging Face diffusion course."""

    def __init__(self):
        super().__init__()
        layer = lambda i, o: torch.nn.Conv2d(i, o, kernel_size=5, padding=2)
        self.down_layers = torch.nn.ModuleList([layer(1, 32), layer(32, 64), layer(64, 64)])
        self.up_layers = torch.nn.ModuleList([layer(64, 64), layer(64, 32), layer(32, 1)])

    def forward(self, x, t):
        F = torch.nn.functional
        full = F.silu(self.down_layers[0](x))
        half = F.silu(self.down_layers[1](F.max_pool2d(full, 2)))
        h = F.silu(self.down_layers[2](F.max_pool2d(half, 2)))
        h = F.silu(self.up_layers[0](h))
        h = F.silu(self.up_layers[1](F.interpolate(h, scale_factor=2.0) + half))
        return F.silu(self.up_layers[2](F.interpolate(h, scale_factor=2.0) + full))


def time_unet():
    from diffusers import UNet2DModel
    model = UNet2DModel(sample_size=32, in_channels=1, out_channels=1, layers_per_block=2,
                        block_out_channels=(32, 64, 64),
                        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
                        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"))
    forward = model.forward
    model.forward = lambda x, t: forward(x, t, return_dict=False)[0]
    return model


def make_training(case, layout):
    model = {"basic_unet": BasicUNet, "time_unet": time_unet}[case["kind"]]().to(memory_format=layout)
    shape = (case["n"], 1, case["size"], case["size"])
    x, target = (torch.randn(shape).contiguous(memory_format=layout) for _ in range(2))
    t = torch.randint(0, 1000, (case["n"],))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def run():
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x, t), target).backward()
        optimizer.step()
    return run


MAKERS = {"conv2d": make_conv2d, "basic_unet": make_training, "time_unet": make_training}
