# SPDX-License-Identifier: Apache-2.0
"""The safetensors format: eight bytes of header length, a JSON header, and the tensors' bytes."""

import json
import os
from pathlib import Path
from typing import Dict, Iterable, List, Tuple

import torch

from .errors import CheckpointError

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER = 100 << 20


class TensorFile:
    """One file, its header read and checked. Tensors are read when they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            with open(path, "rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if size < 8 or length > min(_MAX_HEADER, size - 8):
                    raise CheckpointError(f"{path} is no safetensors file, or is cut off in its header")
                header = json.loads(file.read(length))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error
        header.pop("__metadata__", None)
        self._base = 8 + length
        self._entries: Dict[str, dict] = header
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end or self._base + end > size:
                raise CheckpointError(f"{path} is cut off: tensor {name} ends behind the file (an interrupted download?)")

    def names(self) -> List[str]:
        return list(self._entries)

    def shape(self, name: str) -> Tuple[int, ...]:
        return tuple(self._entries[name]["shape"])

    def read(self, name: str) -> torch.Tensor:
        """The tensor, in its own type."""
        entry = self._entries[name]
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise CheckpointError(f"{self.path}: tensor {name} has the type {entry['dtype']}, which is not known here")
        begin, end = entry["data_offsets"]
        with open(self.path, "rb") as file:
            file.seek(self._base + begin)
            data = bytearray(file.read(end - begin))
        flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        if flat.numel() != _count(entry["shape"]):
            raise CheckpointError(f"{self.path}: tensor {name} has {flat.numel()} values, its shape says otherwise")
        return flat.reshape(entry["shape"])


def write_tensors(path: Path, tensors: Iterable[Tuple[str, torch.Tensor]]) -> None:
    """Writes a file in the order given; it takes its name when it is complete."""
    items = [(name, tensor.detach().cpu().contiguous()) for name, tensor in tensors]
    header, offset = {}, 0
    for name, tensor in items:
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in items:
            file.write(tensor.view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _count(shape: Iterable[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
