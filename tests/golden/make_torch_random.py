#!/usr/bin/env python3
"""Writes torch_random.safetensors: what PyTorch's CPU generator draws. Needs torch and safetensors; run it in this folder."""

import torch
from safetensors.torch import save_file

RANGES = ((0, 10), (-5, 1000), (0, 2**28 - 1), (0, 2**28), (-(2**40), 2**41))
tensors = {}
for seed in (0, 7, 1234, 2**40 + 3):
    for n in (5, 16, 40):  # one by one, a whole block, a ragged tail
        tensors[f"normal.{seed}.{n}"] = torch.randn(n, generator=torch.Generator().manual_seed(seed))
    tensors[f"uniform.{seed}"] = torch.empty(9).uniform_(-0.5, 2, generator=torch.Generator().manual_seed(seed))
    for i, (low, high) in enumerate(RANGES):
        tensors[f"integers.{seed}.{i}"] = torch.randint(low, high, (9,), generator=torch.Generator().manual_seed(seed))
# One draw after the other: normals come in pairs, and the second of a pair waits for the next odd one.
generator = torch.Generator().manual_seed(11)
for i, n in enumerate((3, 2, 20, 1, 4)):
    tensors[f"sequence.{i}"] = torch.randn(n, generator=generator)
tensors["sequence.integers"] = torch.randint(0, 1000, (5,), generator=generator)
tensors["sequence.last"] = torch.randn(2, generator=generator)
save_file(tensors, "torch_random.safetensors")
