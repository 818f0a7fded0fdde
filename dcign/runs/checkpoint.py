"""Checkpoints: one `.safetensors` file each, with everything a run needs to go on, and no pickled code.

    checkpoint-00000500.safetensors
        model.<parameter>                   weights, float32
        optimiser.<buffer>.<parameter>      optimiser state, float32
        header 'dcign' (JSON)               format version, step, architecture, code, settings, training data, measures
    best.safetensors                        the one among them with the lowest held-out bound so far
    weights.safetensors
        model.<parameter>                   the weights to use (their average, where the run keeps one), float16
        header 'dcign' (JSON)               as that of a checkpoint

The order of mini-batches and the noise are functions of seed and step, so a generator has no state to be kept.

A checkpoint is written to a temporary name in the same folder, flushed to the disk and moved into place, so a name that
matches is a whole file unless the disk itself lost bytes; the newest few are kept, and a damaged newest one falls back,
to the best one if no other is left. A run folder may hold `weights.safetensors`, a fifth of a checkpoint or less, in
place of checkpoints: it can be used, but not trained on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from assets.files import write_file
from dcign.config import DEFAULT_NETWORK, TrainConfig
from dcign.errors import Failure, RunError
from dcign.model.code import CodeLayout
from dcign.model.interface import DCIGN
from dcign.model.networks import network_of
from dcign.model.optimisers import state_names
from render.shards.documents import (
    Anything,
    Line,
    ListOf,
    Maybe,
    Number,
    Record,
    Table,
    Text,
    Unexpected,
    Whole,
    check_shape,
    parse_json,
)
from render.shards.labels import LABELS, OBJECT, RANGES, check_labels, label_names

FORMAT = 1
BEST = "best.safetensors"
LARGEST_SIZE, LARGEST_CODE = 4096, 65536  # pixels and latents that a file may ask for
# What a header says; settings and code have shapes of their own (`TrainConfig.from_json`, `CodeLayout.from_json`).
HEADER = Record(
    {
        "step": Whole(0),
        "architecture": Record({"size": Whole(1, LARGEST_SIZE)}),
        "code": Anything(),
        "config": Anything(),
        "data": Record(
            {"object": OBJECT},
            {
                "size": Whole(1),
                "batch_size": Whole(1),
                "fingerprint": Line(),
                "ranges": RANGES,
                "labels": LABELS,
                "background": Number(0, 1),
                "seed": Whole(0),
                "factors": ListOf(Line()),
                "counts": Table(Whole(0)),
                "folder": Text(),
            },
        ),
    },
    {"held_out": Maybe(Record(optional={"bound": Maybe(Number())}))},
)
_NAME = re.compile(r"checkpoint-(\d{8,})\.safetensors")
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Header:
    """The header of a checkpoint: what it says about itself, beside its tensors."""

    step: int  # updates done
    config: TrainConfig
    layout: CodeLayout
    size: int  # side of the images in pixels
    data: dict[str, Any]  # about the training data: object, fingerprint, ...
    held_out: dict[str, Any] | None = None  # measures of the mini-batches held out, see `dcign.training.held_out`

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "step": self.step,
            "architecture": _architecture(self.config, self.layout, self.size),
            "code": self.layout.to_json(),
            "config": self.config.to_json(),
            "data": self.data,
            "held_out": self.held_out,
        }

    @classmethod
    def from_json(cls, value: Any, path: Path) -> Header:
        """Read what `to_json` gave, found at `path`. RunError names it, and what is wrong."""
        check_shape(path, value, Record({"format": Anything()}), RunError)
        if value["format"] != FORMAT:
            raise RunError(f"{path}: expected dcign's format {FORMAT}, found format {value['format']!r:.60}")
        check_shape(path, value, HEADER, RunError)
        try:
            check_labels({"ranges": {}, **value["data"]}, "data")
        except Unexpected as error:
            raise RunError(f"{path}: {error}") from None
        size = value["architecture"]["size"]
        try:
            config = TrainConfig.from_json(value["config"])
            layout = CodeLayout.from_json(value["code"], label_names(value["data"]))
            if layout.latents > LARGEST_CODE:
                raise RunError(f"expected a graphics code of at most {LARGEST_CODE} latents, found {layout.latents}")
            if value["architecture"] != _architecture(config, layout, size):
                raise RunError("architecture and settings disagree")
            network_of(config).check_size(size)
        except RunError as error:
            raise RunError(f"{path}: {error}") from None
        return cls(value["step"], config, layout, size, value["data"], value.get("held_out"))

    @property
    def bound(self) -> float:
        """The held-out bound in nats per image; infinite where it was not measured."""
        found = (self.held_out or {}).get("bound")
        return float(found) if isinstance(found, int | float) and math.isfinite(found) else math.inf

    def build_model(self) -> DCIGN:
        """Make a model of this architecture, with initial weights."""
        return network_of(self.config).build(self.config, self.layout.latents, self.size)


def _architecture(config: TrainConfig, layout: CodeLayout, size: int) -> dict[str, Any]:
    """The shape of a network as the header has it; the paper's goes without its name, as it always has."""
    name = {} if config.network == DEFAULT_NETWORK else {"network": config.network}
    return {**name, **network_of(config).architecture(config), "latents": layout.latents, "size": size}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory: `model` and `optimiser` map names to float32 tensors on the CPU."""

    header: Header
    model: dict[str, Tensor]
    optimiser: dict[str, Tensor]

    @property
    def trained(self) -> dict[str, Tensor]:
        """The weights to use: their average where one was kept, else those of the last step."""
        if not self.header.config.weight_average:
            return self.model
        return {name: self.optimiser[f"average.{name}"] for name in self.model}


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return the path of the checkpoint after `step` updates."""
    return folder / f"checkpoint-{step:08d}.safetensors"


def list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints in a run folder, newest first."""
    found = {path: _NAME.fullmatch(path.name) for path in folder.iterdir()} if folder.is_dir() else {}
    steps = {path: int(match.group(1)) for path, match in found.items() if match}
    return sorted(steps, key=lambda path: steps[path], reverse=True)


def has_checkpoint(folder: Path) -> bool:
    """Tell if there is a checkpoint in a run folder, whether it can be read or not."""
    return bool(list_checkpoints(folder)) or (folder / BEST).is_file()


def save_checkpoint(folder: Path, header: Header, model: Mapping[str, Tensor], optimiser: Mapping[str, Tensor]) -> Path:
    """Write a checkpoint atomically, then delete all but the newest `header.config.keep` up to it.

    Later ones are leftovers that could not be read when the run was resumed: they go too. If its held-out bound is
    lower than that of `best.safetensors`, it becomes that as well, first. Raises Failure, leaving the
    older checkpoints as they are, if a value is NaN or infinite or the disk refuses.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.items()}
    tensors |= {f"optimiser.{name}": tensor for name, tensor in optimiser.items()}
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise Failure(f"{bad[0]} is NaN or infinite after step {header.step}; the checkpoint was not written")
    path = checkpoint_path(folder, header.step)
    content = save(tensors, {"dcign": json.dumps(header.to_json())})
    if header.bound < best_bound(folder):
        write_file(folder / BEST, content)  # a copy, not a link: what damages one leaves the other
    write_file(path, content)
    names = list_checkpoints(folder)
    present = names.index(path)
    for old in names[:present] + names[present + header.config.keep :]:
        old.unlink(missing_ok=True)
    return path


def best_bound(folder: Path) -> float:
    """Return the held-out bound of the best checkpoint so far; infinite where there is none that can be read."""
    try:
        return read_checkpoint_header(folder / BEST).bound
    except RunError:
        return math.inf


def read_checkpoint_header(path: Path) -> Header:
    """Read the header of a checkpoint, without its tensors. RunError names what is wrong."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return _header(path, file)
    except FileNotFoundError:
        raise RunError(f"{path}: no such checkpoint") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{path}: damaged or not a .safetensors checkpoint: {error}") from None


def _header(path: Path, file: Any) -> Header:
    metadata = file.metadata() or {}
    if "dcign" not in metadata:
        raise RunError(f"{path}: expected a dcign checkpoint, found a .safetensors file of another program")
    try:
        value = parse_json(metadata["dcign"])
    except Unexpected as error:
        raise RunError(f"{path}: header: {error}") from None
    return Header.from_json(value, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read and check a checkpoint: header, names, shapes, dtypes, finite values. RunError names what is wrong."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = _header(path, file)
            check_tensors(path, header, {name: file.get_slice(name) for name in file.keys()})  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise RunError(f"{path}: no such checkpoint") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{path}: damaged or not a .safetensors checkpoint: {error}") from None
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise RunError(f"{path}: {name} holds NaN or infinite values")
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimiser": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    return Checkpoint(header, parts["model"], parts["optimiser"])


def check_tensors(path: Path, header: Header, found: Mapping[str, Any]) -> None:
    """Compare names, shapes and dtypes in the file (safetensors slices) with the architecture of its header."""
    with torch.device("meta"):
        parameters = {name: list(value.shape) for name, value in header.build_model().named_parameters()}
    expected = {f"model.{name}": shape for name, shape in parameters.items()}
    buffers = state_names(header.config)
    expected |= {f"optimiser.{buffer}.{name}": shape for name, shape in parameters.items() for buffer in buffers}
    for name in sorted(expected.keys() ^ found.keys()):
        state = "is missing" if name in expected else "has no place in the network"
        raise RunError(f"{path}: {name} {state} ({network_of(header.config).describe(header.config)})")
    for name, shape in expected.items():
        if found[name].get_dtype() != "F32" or found[name].get_shape() != shape:
            was = f"{found[name].get_dtype()} {found[name].get_shape()}"
            raise RunError(f"{path}: {name}: expected F32 {shape}, found {was}")


def newest_checkpoint(folder: Path) -> tuple[Checkpoint, list[str]] | None:
    """Load the newest checkpoint that can be read, the best one at last, and give a line for each that could not be.

    None if the folder holds no checkpoint; RunError if it holds some and none can be read.
    """
    problems: list[str] = []
    best = folder / BEST
    for path in [*list_checkpoints(folder), *([best] if best.is_file() else [])]:
        try:
            return load_checkpoint(path), problems or ([f"{folder}: only {BEST} is left"] if path == best else [])
        except RunError as error:
            problems.append(str(error))
    if problems:
        raise RunError(f"{folder}: no checkpoint can be read: {'; '.join(problems)}")
    return None


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
    """Read the header and the weights as float32 on the CPU. RunError names what is wrong with the file."""
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
