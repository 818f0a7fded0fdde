"""Errors of grey images against true ones: mean squared error, PSNR, structural similarity (Wang et al., 2004), LPIPS.

The reconstruction error stands beside that of the best constant picture, and streams: no image is kept.

LPIPS (Zhang et al., 2018) is measured where the package `lpips` and its weights are on this machine already. Nothing is
downloaded: the package would fetch its backbone, AlexNet, by itself, so it is built without weights here and given
those that torchvision has left in the cache of torch's hub.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from render.similarity import C1, C2, REACH, SIGMA

if TYPE_CHECKING:
    import torch

ROUNDING = 1.0 / 12.0 / 255.0**2  # mean squared error of rounding to 256 grey levels: what no 8-bit image beats
AT_ONCE = 16  # images: what the windows need stays in the cache of the processor

Stack = NDArray[np.float64]
LPIPS_BACKBONE = "alexnet-owt-7be5be79.pth"  # torchvision's name for AlexNet_Weights.IMAGENET1K_V1
LPIPS_HEADS = Path("weights") / "v0.1" / "alex.pth"  # in the package: how much each channel counts
LPIPS_SLICES = {0: 1, 3: 2, 6: 3, 8: 4, 10: 5}  # layer of AlexNet's features -> the package's slice of it
LPIPS_AT_ONCE = 32

Distance = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]


def mse(images: NDArray[np.floating], truths: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean squared error (n,) of `images` (n, H, W) in [0, 1] against `truths` (n, H, W) in 0..255, in [0, 1]."""
    return _by_blocks(lambda a, b: np.square(a - b).mean(axis=(1, 2)) / 255.0**2, images, truths)


def psnr(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio (n,) in decibels of mean squared `errors` (n,); at most 58.9, that of rounding."""
    return -10.0 * np.log10(np.maximum(errors, ROUNDING))


def ssim(images: NDArray[np.floating], truths: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean structural similarity (n,), 1 for equal ones, of `images` (n, H, W) in [0, 1] to `truths` in 0..255.

    `render.similarity.ssim` of many pairs at once.
    """
    return _by_blocks(lambda a, b: _similarity(a, b).mean(axis=(1, 2)), images, truths)


def in_boxes(
    images: NDArray[np.floating], truths: NDArray[np.uint8], which: NDArray[np.integer], limits: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean squared error and mean structural similarity, (B,) each, inside boxes of `images` (n, H, W) as above.

    SSIM is the mean of the map of the whole image: what lies beside a box counts as far as the window reaches.

    which   (B,) the image of each box
    limits  (B, 4) pixels: left, top, and the first column and row beyond the box
    """
    _check_pairs(images, truths)
    found = np.empty((2, len(which)))
    for k in range(0, len(images), AT_ONCE):
        x, y = images[k : k + AT_ONCE].astype(np.float64) * 255.0, truths[k : k + AT_ONCE].astype(np.float64)
        maps = np.square(x - y) / 255.0**2, _similarity(x, y)
        for box in np.flatnonzero((which >= k) & (which < k + AT_ONCE)):
            left, top, right, bottom = limits[box]
            found[:, box] = [values[which[box] - k, top:bottom, left:right].mean() for values in maps]
    return found[0], found[1]


def _check_pairs(images: NDArray[np.floating], truths: NDArray[np.uint8]) -> None:
    if images.shape != truths.shape or truths.dtype != np.uint8:
        raise ValueError(f"expected images and uint8 truths of one shape, not {images.shape}, {truths.shape}")


def _by_blocks(
    measure: Callable[[Stack, Stack], Stack], images: NDArray[np.floating], truths: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Apply `measure` to pairs in blocks (n, H, W), as float64 in 0..255, and join what it gives."""
    _check_pairs(images, truths)
    found = [
        measure(images[k : k + AT_ONCE].astype(np.float64) * 255.0, truths[k : k + AT_ONCE].astype(np.float64))
        for k in range(0, len(images), AT_ONCE)
    ]
    return np.concatenate([np.empty(0), *found])


def _similarity(x: Stack, y: Stack) -> Stack:
    """Return the map of structural similarity (n, H, W); its mean over an image is the SSIM."""
    mx, my = _smooth(x), _smooth(y)
    vx, vy, cov = _smooth(x * x) - mx**2, _smooth(y * y) - my**2, _smooth(x * y) - mx * my
    return (2 * mx * my + C1) * (2 * cov + C2) / ((mx**2 + my**2 + C1) * (vx + vy + C2))


def _smooth(images: Stack) -> Stack:
    return scipy.ndimage.gaussian_filter(images, SIGMA, mode="reflect", radius=REACH, axes=(1, 2))


@dataclass
class ReconstructionSums:
    """Running sums over images; exact in integers for the mean-image predictor (safe up to ten million images)."""

    images: int = 0
    pixels: int = 0
    squared_error: float = 0.0
    sum: NDArray[np.int64] = field(default_factory=lambda: np.zeros((), np.int64))  # (H, W)
    sum_of_squares: NDArray[np.int64] = field(default_factory=lambda: np.zeros((), np.int64))  # (H, W)

    def add(self, images: NDArray[np.uint8], reconstructions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Adds `images` (N, H, W) uint8 and their `reconstructions` (N, H, W) in [0, 1].

        Returns the mean squared error of each, (N,).
        """
        if images.dtype != np.uint8 or images.shape != reconstructions.shape:
            raise ValueError(
                f"uint8 images and reconstructions of one shape, not {images.shape}, {reconstructions.shape}"
            )
        whole = images.astype(np.int64)
        self.images += len(images)
        self.pixels += images.size
        squared = (images / 255.0 - reconstructions.astype(np.float64)) ** 2
        self.squared_error += float(squared.sum())
        self.sum = self.sum + whole.sum(0)
        self.sum_of_squares = self.sum_of_squares + (whole * whole).sum(0)
        return squared.mean(axis=(1, 2))


def reconstruction_errors(sums: ReconstructionSums) -> dict[str, float | None]:
    """Plain means over all pixels of all images, grey values in [0, 1]:

    - `mse`: of the reconstructions;
    - `mean_image_mse`: of predicting, for every image, the mean image of this very set (the variance of a pixel over
      the set, averaged over pixels). No constant picture does better, the mean of the training images included;
    - `ratio`: the first over the second; None when all images are the same.
    """
    if sums.images == 0:
        return {"mse": None, "mean_image_mse": None, "ratio": None}
    mse = sums.squared_error / sums.pixels
    count = sums.images
    # sum of squared deviations times the count, all in integers: no cancellation
    deviations = count * sums.sum_of_squares - sums.sum * sums.sum
    mean_image_mse = float(np.mean(deviations / float(count) ** 2)) / 255.0**2
    return {"mse": mse, "mean_image_mse": mean_image_mse, "ratio": mse / mean_image_mse if mean_image_mse > 0 else None}


def find_lpips() -> Distance | str:
    """LPIPS (version 0.1, AlexNet) as a function of two stacks of images (n, H, W) uint8 -> (n,), 0 for equal ones.

    A reason, on one line, where it cannot be had.
    """
    import torch  # here, not above: no other metric needs it

    for name in ("lpips", "torchvision"):
        if importlib.util.find_spec(name) is None:
            return f"the package {name} is not installed"
    backbone = Path(torch.hub.get_dir()) / "checkpoints" / LPIPS_BACKBONE
    if not backbone.is_file():
        return f"the weights of its backbone are not at {backbone}, and nothing is downloaded here"
    try:
        model = _model(backbone)
    except Exception as error:  # another version of either package, or a damaged file
        return (
            f"the package lpips or its weights cannot be used ({str(error).splitlines()[0] if str(error) else error!r})"
        )
    return lambda a, b: _distance(model, a, b)


def _model(backbone: Path) -> torch.nn.Module:
    import torch

    package: Any = importlib.import_module("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision by arguments that it has renamed
        model = package.LPIPS(net="alex", version="0.1", pretrained=False, pnet_rand=True, verbose=False)
    features = torch.load(backbone, map_location="cpu", weights_only=True)
    heads = torch.load(Path(package.__file__).parent / LPIPS_HEADS, map_location="cpu", weights_only=True)
    weights = {
        f"net.slice{slice}.{layer}.{kind}": features[f"features.{layer}.{kind}"]
        for layer, slice in LPIPS_SLICES.items()
        for kind in ("weight", "bias")
    }
    left = model.load_state_dict({**weights, **heads}, strict=False)
    unset = [name for name in left.missing_keys if name.startswith(("net.", "lin")) and not name.startswith("lins.")]
    if unset or left.unexpected_keys:
        raise ValueError(f"no weights for {', '.join(unset)}; no place for {', '.join(left.unexpected_keys)}")
    return model.eval().requires_grad_(False)


def _distance(model: torch.nn.Module, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    import torch

    found = [np.empty(0)]
    with torch.inference_mode():
        for k in range(0, len(a), LPIPS_AT_ONCE):
            pair = (_coloured(images[k : k + LPIPS_AT_ONCE]) for images in (a, b))
            found.append(model(*pair).reshape(-1).double().numpy())
    return np.concatenate(found)


def _coloured(images: NDArray[np.uint8]) -> torch.Tensor:
    """Grey images (n, H, W) as the package takes them: three channels in [-1, 1]."""
    import torch

    return (torch.from_numpy(images.astype(np.float32) / 127.5 - 1.0))[:, None].expand(-1, 3, -1, -1)
