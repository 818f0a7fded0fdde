"""A morphable model as a file in the layout of Basel Face Model 2019, version 0.9, which `assets.basel_h5` reads back.

Millimetres on disk. Means and variances are float64, so that no bit of the float32 arrays is lost on the way.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from assets.basel_h5 import BLEND_SHAPES, LANDMARKS_JSON, MILLIMETRES
from assets.basel_landmarks import landmarks_as_json
from assets.errors import AssetError, Failure
from assets.mesh import Float
from assets.morphable import Modes, MorphableModel

MILLIMETRES_PER_CENTIMETRE = 1 / MILLIMETRES.centimetres


def write_basel_h5(model: MorphableModel, path: Path) -> None:
    """Write `model` to `path`, in place of what was there: the same bytes for the same model.

    The file is written under a temporary name and moved into place when it is whole. Raises AssetError where the folder
    is missing, Failure where it cannot be written to.
    """
    if not path.parent.is_dir():
        raise AssetError(f"{path}: expected a folder {path.parent} to write to, found none")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            for name, value in _datasets(model).items():
                file.create_dataset(name, data=value, track_times=False)
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # HDF5 raises either
        raise Failure(f"{path}: cannot be written: {error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _datasets(model: MorphableModel) -> dict[str, Any]:
    """Dataset by its path, in the order of writing."""
    datasets: dict[str, Any] = {"version/majorVersion": np.int32(0), "version/minorVersion": np.int32(9)}
    datasets |= _group("shape", model, model.shape_mean, model.shape, MILLIMETRES_PER_CENTIMETRE)
    datasets |= _group("color", model, model.albedo_mean, model.albedo, 1.0)
    if len(model.expression):
        mean = np.zeros_like(model.shape_mean) if model.expression_mean is None else model.expression_mean
        datasets |= _group("expression", model, mean, model.expression, MILLIMETRES_PER_CENTIMETRE)
        said = {"names": list(model.expression.names), "one_sided": model.expression.one_sided}
        datasets[BLEND_SHAPES] = np.bytes_(json.dumps(said))
    datasets[LANDMARKS_JSON] = np.bytes_(landmarks_as_json(model.landmarks))
    return datasets


def _group(group: str, model: MorphableModel, mean: Float, modes: Modes, scale: float) -> dict[str, Any]:
    """One of the three linear models, `scale` times as large on disk."""
    return {
        f"{group}/model/mean": mean.astype(np.float64).ravel() * scale,
        f"{group}/model/pcaBasis": modes.components.T.astype(np.float32, copy=False),
        f"{group}/model/pcaVariance": (modes.deviations.astype(np.float64) * scale) ** 2,
        f"{group}/model/noiseVariance": np.float64(0),
        f"{group}/representer/points": model.shape_mean.T.astype(np.float64) * MILLIMETRES_PER_CENTIMETRE,
        f"{group}/representer/cells": model.triangles.T.astype(np.int32),
        f"{group}/version/majorVersion": np.int32(0),
        f"{group}/version/minorVersion": np.int32(9),
    }
