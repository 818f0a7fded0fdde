"""Newton and Schulz' iteration, which takes all directions of a matrix with about equal length, for many at once.

With U S V^T the singular value decomposition of a matrix M, scaled so that its squares sum to 1, each of five steps
(coefficients of Jordan et al., 2024) turns every singular value s into a s + b s^3 + c s^5. They end between 0.7 and
1.2 unless they were tiny, and U and V stay, so that about U V^T is left: the nearest matrix with orthogonal rows.

All of it is done on the small square A = M M^T, which holds S^2 in the basis of U, so that M itself is read twice, and
squares of several matrices are one batch. With X = a I + b A + c A^2 a step makes A into X A X, and the product P of
all X gives the result, P M. A matrix with one row or column has the single singular value 1: its end is a number.
"""

from __future__ import annotations

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # a, b, c
STEPS = 5
SHORTEST = 1e-12  # a matrix whose norm is smaller goes to zero, long before its squares are lost to float32
BATCHED = {"cpu": 64}  # squares up to this side share a batch: multiplying the padding costs less than more operations
BATCHED_ELSEWHERE = 512
ALIKE = 0.8  # of the side of a batch of larger ones: padding a square to it at most doubles its products


def as_matrix(tensor: Tensor) -> Tensor:
    """View a tensor (R, ...) as a matrix (R, columns), a vector as one row.

    Columns come in the order of memory, whatever it is, so that nothing is copied; equal strides give equal orders.
    """
    if tensor.ndim < 2:
        return tensor.view(1, -1)
    inner = sorted(range(1, tensor.ndim), key=tensor.stride, reverse=True)
    return tensor.permute(0, *inner).view(len(tensor), -1)


def as_wide_matrix(tensor: Tensor) -> Tensor:
    """View a tensor as `as_matrix` does, transposed if it has more rows than columns."""
    matrix = as_matrix(tensor)
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T


def length_of_one() -> float:
    """Return what the iteration makes of a singular value of 1, the only one of a single row."""
    a, b, c = COEFFICIENTS
    length = 1.0
    for _ in range(STEPS):
        length = a * length + b * length**3 + c * length**5
    return length


def whiten(squares: Tensor) -> Tensor:
    """Return the P of squares A = M M^T, (B, K, K) both, so that P M has about orthogonal rows of length 1.

    Each may be padded with rows and columns of zeros. `squares` is overwritten. Zeros stay zeros in P M.
    """
    a, b, c = COEFFICIENTS
    scale = squares.diagonal(dim1=1, dim2=2).sum(dim=1).clamp_(min=SHORTEST**2).reciprocal_()[:, None, None]
    squares.mul_(scale)
    product = squares
    for step in range(STEPS):
        x = torch.baddbmm(squares, squares, squares, beta=b, alpha=c)
        x.diagonal(dim1=1, dim2=2).add_(a)
        product = torch.bmm(x, product) if step else x
        if step < STEPS - 1:
            squares = torch.bmm(torch.bmm(x, squares), x)
    return product * scale.sqrt_()


def batches(sides: list[int], device: str) -> list[list[int]]:
    """Sort squares into batches, each padded to the side of its first; returns their numbers, largest first.

    sides   of the squares
    device  type of the device that multiplies them, such as 'cpu'
    """
    limit = BATCHED.get(device, BATCHED_ELSEWHERE)
    found: list[list[int]] = []
    for number in sorted(range(len(sides)), key=lambda number: -sides[number]):
        largest = sides[found[-1][0]] if found else 0
        if largest and (largest <= limit or sides[number] >= ALIKE * largest):
            found[-1].append(number)
        else:
            found.append([number])
    return found
