"""The four-phase form of upsampling and convolution against the plain form."""

import pytest
import torch

from dcign.model.paper_network import UpConv, fold, four_phase_upconv, phase_map, plain_upconv


@pytest.mark.parametrize(("inputs", "outputs", "height", "width"), [(3, 5, 4, 4), (2, 1, 9, 7), (8, 6, 15, 15)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_four_phases_equal_the_plain_form_forward_and_backward(inputs, outputs, height, width, memory_format):
    generator = torch.Generator().manual_seed(0)
    leaves = [
        torch.randn(2, inputs, height, width, generator=generator).contiguous(memory_format=memory_format),
        torch.randn(outputs, inputs, 7, 7, generator=generator).div(7),
        torch.randn(outputs, generator=generator),
    ]
    results = []
    for function in (plain_upconv, lambda *a: four_phase_upconv(*a, phase_map())):
        x, weight, bias = (leaf.clone().requires_grad_() for leaf in leaves)
        y = function(x, weight, bias)
        assert y.shape == (2, outputs, 2 * height - 6, 2 * width - 6)
        (y * torch.cos(torch.arange(y.numel()).view(y.shape))).sum().backward()
        results.append((y.detach(), x.grad, weight.grad, bias.grad))
    for plain, fast in zip(*results, strict=True):
        assert (plain - fast).abs().max() <= 1e-5 * plain.abs().max()


def test_the_bias_of_a_single_map_is_summed_as_accurately_as_in_float64():
    """Its gradient is one sum over every pixel of every image, whose terms nearly cancel."""
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(20, 4, 60, 60, generator=generator), torch.randn(1, 4, 7, 7, generator=generator)
    incoming = torch.randn(20, 1, 114, 114, generator=generator)
    found = {}
    for dtype in (torch.float32, torch.float64):
        bias = torch.zeros(1, dtype=dtype, requires_grad=True)
        y = four_phase_upconv(x.to(dtype), weight.to(dtype), bias, phase_map().to(dtype))
        (y * (incoming - incoming.mean()).to(dtype)).sum().backward()
        found[dtype] = float(bias.grad)
    assert found[torch.float32] == pytest.approx(found[torch.float64], abs=2e-4)  # of terms that add up to 2e5


def test_every_tap_lands_once_in_each_phase():
    phases = phase_map()
    assert set(phases.unique().tolist()) == {0.0, 1.0}
    assert phases.view(49, 4, 16).sum(dim=2).eq(1).all()


def test_folding_keeps_the_sum_of_a_kernel():
    weight = torch.randn(3, 2, 7, 7, dtype=torch.float64)
    folded = fold(weight, phase_map().double())
    torch.testing.assert_close(folded.sum((-2, -1)), weight.sum((2, 3))[:, None].expand(3, 4, 2))


def test_the_parameter_is_the_seven_by_seven_kernel():
    layer = UpConv(4, 3)
    assert {name: tuple(value.shape) for name, value in layer.state_dict().items()} == {
        "weight": (3, 4, 7, 7),
        "bias": (3,),
    }
    assert layer.weight.abs().max() <= (4 * 49) ** -0.5
