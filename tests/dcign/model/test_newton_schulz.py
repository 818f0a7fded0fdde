"""Newton and Schulz' iteration against singular value decompositions, alone and in padded batches."""

import numpy as np
import pytest
import torch

from dcign.model.newton_schulz import as_matrix, as_wide_matrix, batches, length_of_one, whiten

pytestmark = pytest.mark.usefixtures("one_thread")


def orthogonal(matrix):
    wide = as_wide_matrix(matrix)
    found = whiten((wide @ wide.T)[None])[0] @ wide
    return found if wide is matrix or wide.shape == matrix.shape else found.T


@pytest.mark.parametrize("shape", [(4, 30), (30, 4), (7, 7), (1, 9)])
def test_all_directions_get_about_equal_length(shape):
    """From the singular values 1 to 1/100; the singular vectors stay."""
    rng = np.random.default_rng(3)
    u, _, v = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    matrix = 1e6 * (u * np.geomspace(1, 0.01, min(shape))) @ v
    found = u.T @ orthogonal(torch.tensor(matrix)).numpy() @ v.T
    lengths = found.diagonal()
    np.testing.assert_allclose(found, np.diag(lengths), atol=1e-9)
    assert (lengths > 0.4).all()
    assert (lengths < 1.3).all()


def test_a_single_row_gets_the_length_that_is_given_in_advance():
    row = torch.linspace(-3, 7, 20, dtype=torch.float64)[None]
    torch.testing.assert_close(orthogonal(row), length_of_one() * row / row.norm())
    assert 0.69 < length_of_one() < 0.70


def test_a_padded_square_is_as_it_is_alone():
    generator = torch.Generator().manual_seed(0)
    matrices = [torch.randn(side, 12, generator=generator, dtype=torch.float64) for side in (9, 5, 2)]
    padded = torch.zeros(3, 9, 9, dtype=torch.float64)
    for square, matrix in zip(padded, matrices, strict=True):
        square[: len(matrix), : len(matrix)] = matrix @ matrix.T
    for found, matrix in zip(whiten(padded), matrices, strict=True):
        torch.testing.assert_close(found[: len(matrix), : len(matrix)] @ matrix, orthogonal(matrix))
        assert not (found - found.diagonal().diag())[len(matrix) :].any()


def test_zeros_stay_zeros():
    assert not orthogonal(torch.zeros(3, 5)).any()


@pytest.mark.parametrize("shape", [(6,), (3, 4), (3, 1, 5, 5), (3, 2, 5, 5), (1, 4, 7, 7)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_matrix_is_a_view(shape, channels_last):
    tensor = torch.arange(float(np.prod(shape))).reshape(shape)
    if channels_last and tensor.ndim == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    matrix = as_matrix(tensor)
    assert matrix.shape == (shape[0] if len(shape) > 1 else 1, tensor.numel() // (shape[0] if len(shape) > 1 else 1))
    assert matrix.data_ptr() == tensor.data_ptr()
    for row, part in zip(matrix, tensor if len(shape) > 1 else tensor[None], strict=True):
        assert sorted(row.tolist()) == sorted(part.flatten().tolist())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_hold_every_square_once_and_the_largest_first(device):
    sides = [200, 24, 256, 64, 200, 40, 2, 300]
    found = batches(sides, device)
    assert sorted(number for batch in found for number in batch) == list(range(len(sides)))
    assert all(sides[batch[0]] == max(sides[number] for number in batch) for batch in found)
    if device == "cpu":
        assert found == [[7, 2], [0, 4], [3, 5, 1, 6]]
    else:
        assert len(found) == 1


def test_no_squares_make_no_batches():
    assert batches([], "cpu") == []
