"""Linear erasure: takes out of the identity latents what a linear regression reads of the labels.

The pull and the clamp leave in them what the decoder does not see, and a regression over two hundred latents finds it.
LEACE (Belrose et al., 2023, 'LEACE: Perfect linear concept erasure in closed form') is the smallest change of codes x,
measured by their own covariance S, after which their covariance with the labels y is zero, so that no linear regression
reads anything. With W = S^(-1/2), C the covariance of x with y, and Q an orthonormal basis of the columns of W C:

    x <- x - W^-1 Q Q^T W (x - mean)

The encoder's mean head is linear, so the change is folded into its weights: the network and its files stay as they are.
What trees or neighbours read of the labels is another matter, and mostly stays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from dcign.evaluation.metrics.disentanglement import columns
from dcign.evaluation.metrics.true_factors import true_factor
from dcign.model.code import CodeLayout
from dcign.model.devices import autocast
from dcign.model.interface import DCIGN
from dcign.model.optimisers import Optimiser
from dcign.training.held_out import images_of, observing
from render.shards.data_set import DataSet

MOST = 1000  # mini-batches that are looked at
SMALLEST = 1e-9  # variance, of the largest, that a direction of the codes is taken to have at least


def erasure(codes: NDArray[np.floating], labels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the matrix P (W, W) of codes (M, W) and labels (M, T): x - P (x - mean) tells nothing linear of them."""
    x, y = codes - codes.mean(axis=0, dtype=np.float64), labels - labels.mean(axis=0, dtype=np.float64)
    variances, directions = np.linalg.eigh(x.T @ x / len(x))
    deviations = np.sqrt(np.maximum(variances, SMALLEST * max(variances[-1], np.finfo(float).tiny)))
    whitened = directions.T @ (x.T @ y / len(x)) / deviations[:, None]
    basis, sizes, _ = np.linalg.svd(whitened, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * np.linalg.norm(y)]  # as many as the labels have directions of their own
    return np.asarray((directions * deviations) @ basis @ basis.T @ (directions / deviations).T)


def erase(
    optimiser: Optimiser, model: DCIGN, layout: CodeLayout, data: DataSet, used: Mapping[str, int],
    precision: str, device: torch.device,
) -> None:  # fmt: skip
    """Change mean heads in place so that identity latents tell nothing linear of the labels of the training images.

    optimiser  holds the weights in training and their average, if one is kept: the mean head of each is changed
    model      the one to use, whose codes of the images count
    used       factor -> mini-batches that were trained on; up to `MOST` in all, evenly spread, are looked at
    """
    rest = np.flatnonzero(~layout.extrinsic)
    if not len(rest):
        return
    codes: list[NDArray[np.float32]] = []
    values: dict[str, list[NDArray[np.float32]]] = {name: [] for name in data.labels}
    with observing(model):
        for factor, count in used.items():
            for index in np.unique(np.linspace(0, count - 1, min(count, -(-MOST // len(used)))).astype(int)):
                minibatch = data.minibatch(factor, int(index))
                with autocast(precision, device):
                    mean, _ = model.encode(images_of(minibatch, device))
                codes.append(mean.float().cpu().numpy()[:, rest])
                for name in values:
                    values[name].append(np.asarray(minibatch.values[name]))
    known = [columns(true_factor(np.concatenate(values[name]), label)) for name, label in data.labels.items()]
    found = np.concatenate(codes).astype(np.float64)
    change = torch.from_numpy(erasure(found, np.concatenate(known, axis=1)))
    centre, rows = torch.from_numpy(found.mean(axis=0)), torch.from_numpy(rest)
    weight_at, bias_at = (optimiser.names.index(f"encoder.mean.{part}") for part in ("weight", "bias"))
    with torch.no_grad():
        for tensors in (optimiser.parameters, optimiser.buffers.get("average")):
            if tensors is None:
                continue
            weight, bias = tensors[weight_at], tensors[bias_at]
            own_weight, own_bias = weight[rows].double().cpu(), bias[rows].double().cpu()
            weight[rows] = (own_weight - change @ own_weight).to(weight)
            bias[rows] = (own_bias - change @ (own_bias - centre)).to(bias)
