#!/usr/bin/env python3
"""Writes ops.safetensors: inputs, values and gradients of every operation, as PyTorch computes them.

Needs torch and safetensors; imago itself needs neither. Everything is computed in double, from
inputs that were rounded to float, and stored as float. For a case NAME the file holds
  NAME.in0, NAME.in1, ...  the inputs,   NAME.y  the value,   NAME.dy  the gradient of the value,
  NAME.d0, NAME.d1, ...    the gradients of the inputs (integer inputs have none).
Images are stored as imago sees them: (N, H, W, C), and convolution weights as (O, KH, KW, I).
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

tensors = {}


def randn(*shape):
    return torch.randn(shape, dtype=torch.float64)


def rounded(x):
    return x.float().double() if x.is_floating_point() else x


def to_torch(x):
    """(N, H, W, C) -> (N, C, H, W), and (O, KH, KW, I) -> (O, I, KH, KW)."""
    return x.permute(0, 3, 1, 2)


def from_torch(x):
    return x.permute(0, 2, 3, 1)


def case(name, f, *inputs):
    leaves = [rounded(x).requires_grad_(x.is_floating_point()) for x in inputs]
    y = f(*leaves)
    dy = rounded(randn(*y.shape))
    tensors[f"{name}.y"], tensors[f"{name}.dy"] = y, dy
    y.backward(dy)
    for i, x in enumerate(leaves):
        tensors[f"{name}.in{i}"] = x
        if x.grad is not None:
            tensors[f"{name}.d{i}"] = x.grad


def images(f):
    """The same function over (N, H, W, C): its first argument is an image, and so is its value."""
    return lambda x, *rest: from_torch(f(to_torch(x), *rest))


def attention(heads):
    def f(q, k, v):
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    return f


def conv2d(x, weight, bias=None, padding=(0, 0, 0, 0), **options):
    top, bottom, left, right = padding
    return F.conv2d(F.pad(x, (left, right, top, bottom)), to_torch(weight), bias, **options)


def weighted(loss):
    """The mean over all elements of weight[n] * loss; only the prediction has a gradient."""
    return lambda x, target, weight: (loss(x, target.detach()) * weight.detach()[:, None]).mean()


def matrix_products():
    case("linear", F.linear, randn(2, 3, 5), randn(7, 5), randn(7))
    case("linear_no_bias", F.linear, randn(3, 11), randn(2, 11))
    case("matmul", torch.matmul, randn(2, 3, 5), randn(2, 5, 4))
    case("matmul_shared", lambda a, b: a.mT @ b.mT, randn(2, 5, 3), randn(4, 5))
    case("softmax", lambda x: F.softmax(x, -1), 3 * randn(3, 2, 7))
    case("attention", attention(3), randn(2, 5, 6), randn(2, 7, 6), randn(2, 7, 6))
    case("attention_one_head", attention(1), randn(1, 9, 11), randn(1, 9, 11), randn(1, 9, 11))
    case(
        "embedding",
        lambda w,
        ids: F.embedding(ids, w), randn(5, 3), torch.tensor([[4, 0, 4], [1, 4, 2]]),
    )
    case("conv2d", images(conv2d), randn(2, 5, 7, 3), randn(4, 3, 3, 3), randn(4))
    case(
        "conv2d_same",
        images(lambda x, w, b: conv2d(x, w, b, (1, 1, 1, 1))),
        randn(2, 5, 4, 3), randn(5, 3, 3, 3), randn(5),
    )
    case(
        "conv2d_strided",
        images(lambda x, w: conv2d(x, w, None, (0, 1, 0, 1), stride=2)),
        randn(1, 7, 6, 2), randn(3, 3, 3, 2),
    )
    case(
        "conv2d_groups",
        images(lambda x, w: conv2d(x, w, None, (2, 1, 0, 3), groups=3)),
        randn(1, 5, 4, 6), randn(9, 3, 2, 2),
    )
    case(
        "conv2d_depthwise",
        images(lambda x, w: conv2d(x, w, None, (1, 1, 1, 1), groups=5)),
        randn(1, 4, 5, 5), randn(5, 3, 3, 1),
    )
    case("conv2d_1x1", images(conv2d), randn(2, 3, 3, 7), randn(5, 1, 1, 7), randn(5))
    case(
        "conv2d_epilogue",
        images(lambda x, w, b, t, r: conv2d(x, w, b, (1, 1, 1, 1)) + t[:, :, None, None] + to_torch(r)),
        randn(2, 3, 4, 3), randn(5, 3, 3, 3), randn(5), randn(2, 5), randn(2, 3, 4, 5),
    )


def norms():
    case(
        "group_norm",
        images(lambda x, w, b: F.group_norm(x, 3, w, b, 1e-5)),
        randn(2, 5, 3, 6) + 1, randn(6), randn(6),
    )
    case(
        "group_norm_silu",
        images(lambda x, w, b: F.silu(F.group_norm(x, 1, w, b, 1e-3))),
        randn(2, 3, 5, 7), randn(7), randn(7),
    )
    case(
        "layer_norm",
        lambda x,
        w, b: F.layer_norm(x, (11,), w, b, 1e-5), randn(3, 2, 11), randn(11), randn(11),
    )


def elements():
    for name in ["silu", "gelu", "relu", "sigmoid", "tanh", "mish"]:
        case(name, getattr(F, name), 3 * randn(3, 7))
    case("exp", torch.exp, randn(3, 7))
    case("sqrt", torch.sqrt, randn(3, 7).square() + 0.1)
    for name in ["add", "sub", "mul"]:
        case(name, getattr(torch, name), randn(2, 3, 5), randn(3, 1))
    case("div", torch.div, randn(3, 5), randn(2, 1, 5).exp())
    case("sum_axes", lambda x: x.sum((0, 2)), randn(3, 4, 5))
    case("mean_axes", lambda x: x.mean(-1, keepdim=True), randn(3, 4, 5))
    for name, loss in [("mse", F.mse_loss), ("l1", F.l1_loss), ("huber", F.huber_loss)]:
        options = {"delta": 0.7} if name == "huber" else {}
        case(f"{name}_loss", lambda x, t: loss(x, t.detach(), **options), randn(3, 5), randn(3, 5))
        elementwise = lambda x, t: loss(x, t, reduction="none", **options)
        case(
            f"{name}_loss_weighted",
            weighted(elementwise),
            randn(3, 5), randn(3, 5), randn(3).square(),
        )


def image_operations():
    case(
        "upsample_nearest",
        images(lambda x: F.interpolate(x, scale_factor=2.0)),
        randn(2, 3, 2, 5),
    )
    case("avg_pool2d", images(lambda x: F.avg_pool2d(x, 2, 2)), randn(2, 5, 4, 3))
    case("avg_pool2d_overlapping", images(lambda x: F.avg_pool2d(x, 3, 2)), randn(1, 7, 6, 3))
    case("max_pool2d", images(lambda x: F.max_pool2d(x, 2, 2)), randn(2, 4, 5, 3))
    case("max_pool2d_overlapping", images(lambda x: F.max_pool2d(x, 3, 2)), randn(1, 7, 6, 3))
    case("pixel_unshuffle", images(lambda x: F.pixel_unshuffle(x, 2)), randn(2, 4, 6, 3))
    case("pixel_shuffle", images(lambda x: F.pixel_shuffle(x, 3)), randn(1, 2, 3, 18))
    case("pad", images(lambda x: F.pad(x, (3, 0, 1, 2))), randn(1, 2, 3, 2))


def arrangement():
    case("reshape", lambda x: x.reshape(6, -1), randn(2, 3, 5))
    case("permute", lambda x: x.permute(2, 0, 3, 1), randn(2, 3, 4, 5))
    case("concat", lambda a, b: torch.cat([a, b], -1), randn(2, 3, 2), randn(2, 3, 5))
    case("slice_channels", lambda x: x[..., 2:5], randn(2, 3, 7))


if __name__ == "__main__":
    torch.manual_seed(0)
    for group in (matrix_products, norms, elements, image_operations, arrangement):
        group()
    plain = {
        name: (t.detach().float() if t.is_floating_point() else t).contiguous().clone()
        for name, t in tensors.items()
    }
    path = pathlib.Path(__file__).with_name("ops.safetensors")
    save_file(plain, path, {"torch": torch.__version__})
