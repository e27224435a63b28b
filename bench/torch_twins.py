"""What our benchmarks do, done by PyTorch. make(case, layout) builds the twin of one of our cases, ready to be called."""
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


MAKERS = {"conv2d": make_conv2d}
