"""Reads safetensors files into PyTorch: an 8-byte header length, a JSON header, the tensors' bytes."""
import json
import struct

import torch

TYPES = {"F32": torch.float32, "F64": torch.float64, "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32}


def load(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = bytearray(f.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, info in header.items():
        begin, end = info["data_offsets"]
        flat = torch.frombuffer(data, dtype=torch.uint8, count=end - begin, offset=begin)
        tensors[name] = flat.view(TYPES[info["dtype"]]).reshape(info["shape"])
    return tensors
