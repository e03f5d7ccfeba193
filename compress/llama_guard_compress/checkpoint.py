# SPDX-License-Identifier: Apache-2.0
"""Models as Hugging Face folders: config.json, model.safetensors or shards, tokenizer.json."""

import json
import os
import shutil
from pathlib import Path
from typing import Dict, Optional

import torch

from .config import ModelConfig, read_config
from .errors import CheckpointError, TokenizerError
from .model import Guard
from .quantize import Scheme
from .safetensors import TensorFile, write_tensors
from .tokenizer import Tokenizer, read_tokenizer

_INDEX = "model.safetensors.index.json"
_SCHEME = "quantization.json"


def load_model(folder: Path, device: torch.device = torch.device("cpu")) -> Guard:
    """The model of a folder in f32. Raises CheckpointError where a tensor is missing or has another shape."""
    folder = Path(folder)
    config = read_config(folder)
    files = _tensor_files(folder)
    if not config.tied and "lm_head.weight" not in files:
        config = config.with_(tied=True)
    model = Guard(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            file = files.get(name)
            if file is None:
                raise CheckpointError(f"Tensor {name} is missing in {folder}")
            if file.shape(name) != tuple(parameter.shape):
                raise CheckpointError(f"Tensor {name} of {file.path}: shape {list(parameter.shape)} is expected, "
                                      f"found {list(file.shape(name))}")
            parameter.copy_(file.read(name))
            if not torch.isfinite(parameter).all():
                raise CheckpointError(f"Tensor {name} of {file.path} holds a value that is infinite or no number")
    model.set_scheme(_read_scheme(folder))
    return model.to(device)


def load_tokenizer(folder: Path, config: ModelConfig) -> Tokenizer:
    """The tokenizer of a folder. Raises TokenizerError where it is not that of the model."""
    tokenizer = read_tokenizer(folder)
    if tokenizer.size > config.vocab:
        raise TokenizerError(f"{folder}: the tokenizer has {tokenizer.size} tokens, but the model has an embedding for "
                             f"{config.vocab}: it belongs to another model")
    return tokenizer


def save_model(folder: Path, model: Guard, tokenizer_from: Path, state: Optional[Dict[str, torch.Tensor]] = None) -> None:
    """Writes a folder; config.json comes last and makes it complete. `state` replaces the model's own weights."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(tokenizer_from) / "tokenizer.json", folder / "tokenizer.json")
    state = state or model.state_dict()
    write_tensors(folder / "model.safetensors", ((name, state[name].float()) for name, _ in model.named_parameters()))
    if model.scheme is not None:
        write_json(folder / _SCHEME, model.scheme._asdict())
    write_json(folder / "config.json", model.config.to_json())


def write_json(path: Path, value: object) -> None:
    """Writes a file that is there in full or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    os.replace(partial, path)


def read_json(path: Path) -> object:
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _read_scheme(folder: Path) -> Optional[Scheme]:
    """How a model was trained to be quantized; None for a float model."""
    path = folder / _SCHEME
    return Scheme(**read_json(path)) if path.exists() else None


def _tensor_files(folder: Path) -> Dict[str, TensorFile]:
    """The file of each tensor."""
    single = folder / "model.safetensors"
    if single.exists() or not (folder / _INDEX).exists():
        file = TensorFile(single)
        return {name: file for name in file.names()}
    weight_map = read_json(folder / _INDEX).get("weight_map", {})
    files = {name: TensorFile(folder / name) for name in sorted(set(weight_map.values()))}
    for name, file in weight_map.items():
        if name not in files[file].names():
            raise CheckpointError(f"Tensor {name} is missing in {files[file].path}, where the index promises it")
    return {name: files[file] for name, file in weight_map.items()}
