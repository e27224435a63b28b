"""Makes state_dict.bin and state_dict.safetensors beside this file, with torch: the same tensors in both formats.

    python3 tests/golden/make_torch_file.py

The .bin file has what a state dict may have: every type, views of a larger storage, strides of other layouts, a scalar, an
empty tensor, a Parameter, and the attributes that torch.nn.Module.state_dict() adds.
"""

import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent


def main():
    torch.manual_seed(0)
    table = torch.randn(5, 7)
    state = torch.nn.Conv2d(2, 3, 3).state_dict()
    state |= {
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "f64": torch.randn(3, dtype=torch.float64),
        "f16": torch.tensor([1.0, -0.5, 65504.0, 6e-8, 0.0]).half(),
        "bf16": torch.randn(2, 2).bfloat16(),
        "i64": torch.tensor([1, -(2**40)]),
        "i32": torch.tensor([7, -8], dtype=torch.int32),
        "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "whole": table,
        "rows": table[1:3],
        "columns": table[:, 2:4],
        "transposed": table.T,
        "channels_last": torch.randn(2, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.randn(3)),
    }
    torch.save(state, HERE / "state_dict.bin")
    state = {k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in state.items()}
    state["f16"] = state["f16"].float()
    save_file(state, HERE / "state_dict.safetensors")


if __name__ == "__main__":
    main()
