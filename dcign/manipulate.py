"""Change one extrinsic latent, keep all others, decode: what an off-the-shelf graphics engine does with a knob."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dcign.code import CodeLayout
from dcign.errors import RunError
from dcign.run import Run

DECODE_AT_ONCE = 32  # images; keeps memory level however long a sweep is


def extrinsic_index(layout: CodeLayout, factor: str) -> int:
    """Which latent is the knob of `factor`. RunError when the code has no single latent for it."""
    single = [name for name, width in layout.groups.items() if width == 1]
    if factor not in single:
        known = ", ".join(single) or "no factor at all"
        raise RunError(f"{factor}: this run has no single latent for it; it has one for {known}")
    return int(layout.indices(factor)[0])


def set_latent(code: NDArray[np.floating], index: int, values: ArrayLike) -> NDArray[np.float32]:
    """Copies of `code` (Z,), one for each of `values` (S,), whose latent `index` has that value: (S, Z) float32."""
    swept = np.repeat(np.asarray(code, np.float32)[None], np.size(values), axis=0)
    swept[:, index] = np.asarray(values, np.float32)
    return swept


def decode(run: Run, codes: NDArray[np.floating]) -> NDArray[np.float32]:
    """Images in [0, 1], (S, H, W) float32, of `codes` (S, Z)."""
    pictures = []
    with torch.inference_mode():
        for block in torch.as_tensor(np.asarray(codes, np.float32)).split(DECODE_AT_ONCE):
            pictures.append(run.model.decode(block.to(_device(run)))[:, 0].float().cpu().numpy())
    return np.concatenate(pictures)


def encode(run: Run, images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Means of the codes, (N, Z) float32, of `images` (N, H, W) in [0, 1]. RunError if they are not finite."""
    with torch.inference_mode():
        batch = torch.as_tensor(np.asarray(images, np.float32))[:, None]  # (N, 1, H, W)
        means = run.model.encode(batch.to(_device(run)))[0].float().cpu().numpy()
    if not np.isfinite(means).all():
        raise RunError(f"{run.folder}: the encoder gives codes that are not finite numbers; the training diverged")
    return means


def sweep(run: Run, code: NDArray[np.floating], factor: str, values: ArrayLike) -> NDArray[np.float32]:
    """Decoded images (S, H, W) in [0, 1] of `code` (Z,) with the latent of `factor` set to each of `values` (S,)."""
    return decode(run, set_latent(code, extrinsic_index(run.layout, factor), values))


def _device(run: Run) -> torch.device:
    return next(run.model.parameters()).device
