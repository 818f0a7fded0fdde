"""Synthetic Basel models of the published sizes, to measure readers where no licensed file is at hand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

VERTICES, GRID = 53_490, 231
MODES, EXPRESSIONS = 199, 100


def write_full_size(folder: Path) -> tuple[Path, Path]:
    """Write `basel-2009.mat` and `basel-2017.h5` into `folder`; returns their paths. A curved sheet, random modes."""
    rng = np.random.default_rng(0)
    u, v = (grid.ravel()[:VERTICES] for grid in np.meshgrid(*[np.linspace(-1.4, 1.4, n) for n in (GRID, GRID + 1)]))
    mean = np.stack([8 * np.sin(u), 11 * np.sin(v), 9 * np.cos(u) * np.cos(v)], axis=1)  # centimetres
    corner = (np.arange(GRID)[:, None] * GRID + np.arange(GRID - 1)).ravel()
    squares = np.stack([corner, corner + 1, corner + GRID + 1, corner + GRID], axis=1)
    triangles = np.concatenate([squares[:, [0, 1, 2]], squares[:, [0, 2, 3]]])
    triangles = triangles[triangles.max(axis=1) < VERTICES]
    deviations = 60 * np.exp(-np.arange(MODES) / 30)  # centimetres, of all vertices together
    shape, colour, expression = (_basis(rng, count) for count in (MODES, MODES, EXPRESSIONS))

    mat, h5 = folder / "basel-2009.mat", folder / "basel-2017.h5"
    variables: dict[str, NDArray[np.floating]] = {
        "shapeMU": mean.reshape(-1, 1) * 1e4, "shapePC": shape, "shapeEV": deviations[:, None] * 1e4,
        "texMU": np.full((mean.size, 1), 120.0), "texPC": colour, "texEV": deviations[:, None] * 50,
    }  # fmt: skip
    stored = {name: array.astype(np.float32) for name, array in variables.items()}
    scipy.io.savemat(mat, {**stored, "tl": triangles[:, [1, 0, 2]] + 1.0}, do_compression=True)
    with h5py.File(h5, "w") as file:
        for group, average, basis, scale in (
            ("shape", mean * 10, shape, 10.0),
            ("color", np.full_like(mean, 0.5), colour, 0.2),
            ("expression", np.full_like(mean, 0.01), expression, 10.0),
        ):
            file[f"{group}/model/mean"] = average.ravel().astype(np.float32)
            file[f"{group}/model/pcaBasis"] = basis
            file[f"{group}/model/pcaVariance"] = ((deviations[: basis.shape[1]] * scale) ** 2).astype(np.float32)
            file[f"{group}/representer/cells"] = triangles.T.astype(np.int32)
            file[f"{group}/representer/points"] = (mean.T * 10).astype(np.float32)
        file["version/majorVersion"], file["version/minorVersion"] = 0, 9
    return mat, h5


def _basis(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """(3V, count) random columns of length 1."""
    columns = rng.standard_normal((3 * VERTICES, count), np.float32)
    return columns / np.linalg.norm(columns, axis=0)
