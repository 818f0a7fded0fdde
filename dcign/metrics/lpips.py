"""Perceptual distance LPIPS (Zhang et al. 2018), where the package `lpips` and its weights are on this machine already.

Nothing is downloaded: the package would fetch its backbone, AlexNet, by itself, so it is built without weights here
and given those that torchvision has left in the cache of torch's hub.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

BACKBONE = "alexnet-owt-7be5be79.pth"  # torchvision's name for AlexNet_Weights.IMAGENET1K_V1
HEADS = Path("weights") / "v0.1" / "alex.pth"  # of the package: how much each channel counts
SLICES = {0: 1, 3: 2, 6: 3, 8: 4, 10: 5}  # layer of AlexNet's features -> the package's slice of it
AT_ONCE = 32  # images

Distance = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]


def find() -> Distance | str:
    """LPIPS (version 0.1, AlexNet) as a function of two stacks of images (n, H, W) uint8 -> (n,), 0 for equal ones.

    A reason, on one line, where it cannot be had.
    """
    for name in ("lpips", "torchvision"):
        if importlib.util.find_spec(name) is None:
            return f"the package {name} is not installed"
    backbone = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE
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
    package: Any = importlib.import_module("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision by arguments that it has renamed
        model = package.LPIPS(net="alex", version="0.1", pretrained=False, pnet_rand=True, verbose=False)
    features = torch.load(backbone, map_location="cpu", weights_only=True)
    heads = torch.load(Path(package.__file__).parent / HEADS, map_location="cpu", weights_only=True)
    weights = {
        f"net.slice{slice}.{layer}.{kind}": features[f"features.{layer}.{kind}"]
        for layer, slice in SLICES.items()
        for kind in ("weight", "bias")
    }
    left = model.load_state_dict({**weights, **heads}, strict=False)
    unset = [name for name in left.missing_keys if name.startswith(("net.", "lin")) and not name.startswith("lins.")]
    if unset or left.unexpected_keys:
        raise ValueError(f"no weights for {', '.join(unset)}; no place for {', '.join(left.unexpected_keys)}")
    return model.eval().requires_grad_(False)


def _distance(model: torch.nn.Module, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    found = [np.empty(0)]
    with torch.inference_mode():
        for k in range(0, len(a), AT_ONCE):
            pair = (_coloured(images[k : k + AT_ONCE]) for images in (a, b))
            found.append(model(*pair).reshape(-1).double().numpy())
    return np.concatenate(found)


def _coloured(images: NDArray[np.uint8]) -> torch.Tensor:
    """Grey images (n, H, W) as the package takes them: three channels in [-1, 1]."""
    return (torch.from_numpy(images.astype(np.float32) / 127.5 - 1.0))[:, None].expand(-1, 3, -1, -1)
