"""The weights of a trained run alone, in half precision: a fifth or less of a checkpoint.

    weights.safetensors
        model.<parameter>     the weights to use (their average, where the run keeps one), float16
        header 'dcign'        as that of a checkpoint

A run folder may hold this file in place of checkpoints: it can be used, but not trained on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dcign.errors import RunError
from dcign.runs.checkpoint import Header, read_checkpoint_header
from render.files import write_file

WEIGHTS = "weights.safetensors"


def write_weights(folder: Path, header: Header, weights: Mapping[str, Tensor]) -> Path:
    """Write `weights`, name -> tensor, as `folder/weights.safetensors`, atomically; equal weights give equal bytes.

    RunError for a weight that is not finite, or too large for half precision (beyond 65504).
    """
    tensors = {f"model.{name}": weight.detach().to("cpu", torch.float16) for name, weight in weights.items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise RunError(f"{name}: expected weights from -65504 to 65504, found others: no use in half precision")
    path = folder / WEIGHTS
    content = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_file(path, save(content, {"dcign": json.dumps(header.to_json())}))
    return path


def load_weights(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """The header and the weights as float32 on the CPU. RunError names what is wrong with the file."""
    header = read_checkpoint_header(path)
    with torch.device("meta"):
        parameters = {name: list(value.shape) for name, value in header.build_model().named_parameters()}
    expected = {f"model.{name}": shape for name, shape in parameters.items()}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            found = set(file.keys())
            for name in sorted(expected.keys() ^ found):
                raise RunError(f"{path}: {name} {'is missing' if name in expected else 'has no place in the network'}")
            for name, shape in expected.items():
                tensor = file.get_slice(name)
                if tensor.get_dtype() != "F16" or tensor.get_shape() != shape:
                    was = f"{tensor.get_dtype()} {tensor.get_shape()}"
                    raise RunError(f"{path}: {name}: expected F16 {shape}, found {was}")
            weights = {name: file.get_tensor(f"model.{name}").float() for name in parameters}
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{path}: damaged or not a .safetensors file: {error}") from None
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise RunError(f"{path}: model.{name} holds NaN or infinite values")
    return header, weights
