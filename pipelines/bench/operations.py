"""Operations and bytes of a training step, counted from the shapes; a multiply-add is two operations.

Counted are convolutions and linear maps, forward and backward: the gradient of the weights costs as much as the way
forward, that of the inputs as well, except in the first layer, whose inputs are images. The four-phase form has 16
multiplications where the plain one has 49, and folds its kernels once a step. All else is a few operations a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

KERNEL, TAPS, FOLDED_TAPS = 5, 49, 64  # encoder's side; a decoder kernel on the upsampled image; its four folded ones


@dataclass(frozen=True)
class Layer:
    """A convolution or linear map.

    products     multiply-adds an image, forward
    activations  numbers an image that it takes in
    weights      numbers, bias included
    inner        whether the gradient goes on to its inputs
    folding      multiply-adds a step to fold its kernels
    """

    products: int
    activations: int
    weights: int
    inner: bool = True
    folding: int = 0


def layers(widths: tuple[int, int, int], latents: int, size: int, four_phase: bool) -> list[Layer]:
    """Those of `dcign.networks.DCIGN`, from the image to the logits."""
    found: list[Layer] = []
    side = size
    for inputs, outputs in pairwise((1, *widths)):
        weights = inputs * outputs * KERNEL**2
        after = side - KERNEL + 1
        found.append(Layer(weights * after**2, inputs * side**2, weights + outputs, inner=len(found) > 0))
        side = after // 2
    features = widths[2] * side**2
    found += [Layer(features * latents, features, (features + 1) * latents)] * 2
    side = (size + 90) // 16
    start = widths[2] * side**2
    found.append(Layer(latents * start, latents, (latents + 1) * start))
    for inputs, outputs in pairwise((*widths[::-1], widths[0], 1)):
        kernels, after = inputs * outputs, 2 * side - 6
        taps = FOLDED_TAPS / 4 if four_phase else TAPS
        folding = kernels * TAPS * FOLDED_TAPS if four_phase else 0
        products = int(kernels * taps) * after**2
        found.append(Layer(products, inputs * side**2, kernels * TAPS + outputs, folding=folding))
        side = after
    return found


def operations(found: list[Layer], images: int) -> int:
    """Of one step with so many images, forward and backward."""
    return sum(2 * images * layer.products * (3 if layer.inner else 2) + 4 * layer.folding for layer in found)


def least_bytes(found: list[Layer], images: int, size: int, number: int) -> int:
    """Bytes that one step cannot avoid to move, if everything between two layers were done on the fly.

    What a layer takes in is written once, read on the way forward and again for the gradient of the weights, and its
    own gradient written and read, in numbers of so many bytes; images are read three times as uint8. A weight (float32)
    is read on both ways, its gradient written and read, weight and two momenta read and written by the update.
    """
    kept = sum(layer.activations for layer in found if layer.inner) - found[3].activations  # both heads take the same
    logits = 2 * size**2  # and their gradient: written and read
    weights = sum(layer.weights for layer in found)
    return images * (number * (5 * kept + 2 * logits) + 3 * size**2) + 4 * 10 * weights


def floor_seconds(operations: int, bytes_: int, peak: float, bandwidth: float) -> float:
    """The shortest time for a step: peak in operations a second, bandwidth in bytes a second."""
    return max(operations / peak, bytes_ / bandwidth)
