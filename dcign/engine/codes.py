"""Encode images, set latents of their codes and decode them; and tell how unlike the training images an image is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dcign.engine.fitting import fit_codes
from dcign.errors import RunError
from dcign.model.code import AngleLatents
from dcign.runs.run import Run

DECODE_AT_ONCE = 32  # images; keeps memory level however long a sweep is
UNLIKE = 99  # %: an image is warned of if more test images than this are reconstructed better


def set_latent(code: NDArray[np.floating], index: int | NDArray[np.integer], values: ArrayLike) -> NDArray[np.float32]:
    """Return copies of `code` (Z,), one for each of `values` (S,), whose latent `index` has that value: (S, Z) float32.

    With several indices (W,) and values (S, W), each copy has these latents set together.
    """
    swept = np.repeat(np.asarray(code, np.float32)[None], len(np.asarray(values)), axis=0)
    swept[:, index] = np.asarray(values, np.float32)
    return swept


def decode(run: Run, codes: NDArray[np.floating]) -> NDArray[np.float32]:
    """Decode `codes` (S, Z) to images in [0, 1], (S, H, W) float32."""
    pictures = []
    with torch.inference_mode():
        for block in torch.as_tensor(np.asarray(codes, np.float32)).split(DECODE_AT_ONCE):
            pictures.append(run.model.decode(block.to(_device(run)))[:, 0].float().cpu().numpy())
    return np.concatenate(pictures)


def encode(run: Run, images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Encode `images` (N, H, W) in [0, 1] to the means of their codes, (N, Z) float32. RunError if not finite.

    With `run.fit` these are only where fitting begins.
    """
    batch = torch.as_tensor(np.asarray(images, np.float32))[:, None].to(_device(run))  # (N, 1, H, W)
    with torch.no_grad():
        means, logvar = run.model.encode(batch)
        found = fit_codes(run.model, batch, means, logvar, run.fit) if run.fit else means
    codes = found.float().cpu().numpy()
    if not np.isfinite(codes).all():
        raise RunError(f"{run.folder}: the encoder gives codes that are not finite numbers; the training diverged")
    return codes


def sweep(
    run: Run, angle_latents: AngleLatents, code: NDArray[np.floating], factor: str, values: ArrayLike
) -> NDArray[np.float32]:
    """Decode `code` (Z,) with the latents of `factor` set to each of `values`: images (S, H, W) in [0, 1].

    `values` is (S,) for a single latent and (S, width) for a group, as `to_latent` of its calibration curve gives them.
    RunError for a factor without latents of its own, or when `values` are for another number of them.
    """
    indices, rows = angle_latents.latents(factor), np.asarray(values, np.float32)
    width = rows.shape[1] if rows.ndim == 2 else 1
    if width != len(indices):
        raise RunError(
            f"{factor}: expected values of {len(indices)} latents, as many as the code of this run has for it, found "
            f"values of {width} (the calibration of another run?); run `dcign evaluate RUN SHARDS` again"
        )
    return decode(run, set_latent(code, indices, rows.reshape(-1, width)))


def _device(run: Run) -> torch.device:
    return next(run.model.parameters()).device


def reconstruction_error(picture: NDArray[np.floating], decoded: NDArray[np.floating]) -> float:
    """Mean squared error between an image (H, W) in [0, 1] and its reconstruction."""
    return float(np.mean((np.asarray(picture, np.float64) - decoded) ** 2))


def encode_and_judge(
    run: Run, images: NDArray[np.floating], percentiles: Sequence[float]
) -> tuple[NDArray[np.float32], list[str | None]]:
    """Encode `images` (N, H, W) as (N, Z), and warn of each as `unlike_warning` does. RunError as `encode`.

    An image is judged by the code that the encoder gives it: fitting makes something of any image.
    """
    codes = encode(run, images)
    if not percentiles or not len(codes):
        return codes, [None] * len(codes)
    pairs = zip(images, decode(run, encode(replace(run, fit=0), images) if run.fit else codes), strict=True)
    return codes, [unlike_warning(reconstruction_error(*pair), percentiles) for pair in pairs]


def unlike_warning(error: float, percentiles: Sequence[float]) -> str | None:
    """Return a warning if an image of this reconstruction error is unlike the test images; None if it is not.

    `percentiles` are the 0th to the 100th of the errors of test images, 101 in all; empty where they were not measured.
    """
    if not percentiles or error <= percentiles[UNLIKE]:
        return None
    share = "all" if error > percentiles[-1] else f"{UNLIKE} % of"
    return (
        f"its reconstruction error {error:.2g} is above that of {share} test images (median {percentiles[50]:.2g}): "
        "the picture will not mean much"
    )
