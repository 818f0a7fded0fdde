"""Set the latents of one extrinsic factor, keep all others, decode: what a graphics engine does with a knob."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dcign.errors import RunError
from dcign.model.knobs import Knobs
from dcign.runs.run import Run

DECODE_AT_ONCE = 32  # images; keeps memory level however long a sweep is


def set_latent(code: NDArray[np.floating], index: int | NDArray[np.integer], values: ArrayLike) -> NDArray[np.float32]:
    """Copies of `code` (Z,), one for each of `values` (S,), whose latent `index` has that value: (S, Z) float32.

    With several indices (W,) and values (S, W), each copy has these latents set together.
    """
    swept = np.repeat(np.asarray(code, np.float32)[None], len(np.asarray(values)), axis=0)
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


def sweep(run: Run, knobs: Knobs, code: NDArray[np.floating], factor: str, values: ArrayLike) -> NDArray[np.float32]:
    """Decoded images (S, H, W) in [0, 1] of `code` (Z,) with the latents of `factor` set to each of `values`.

    `values` is (S,) for a single latent and (S, width) for a group, as `to_latent` of its calibration curve gives them.
    RunError for a factor without latents of its own, or when `values` are for another number of them.
    """
    indices, rows = knobs.latents(factor), np.asarray(values, np.float32)
    given = rows.shape[1] if rows.ndim == 2 else 1
    if given != len(indices):
        raise RunError(
            f"{factor}: expected values of {len(indices)} latents, as many as the code of this run has for it, found "
            f"values of {given} (the calibration of another run?); run `dcign evaluate RUN SHARDS` again"
        )
    return decode(run, set_latent(code, indices, rows.reshape(-1, given)))


def _device(run: Run) -> torch.device:
    return next(run.model.parameters()).device
