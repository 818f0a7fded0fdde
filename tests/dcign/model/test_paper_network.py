"""Shapes, initial values and sizes of the networks."""

import pytest
import torch

from dcign.errors import RunError
from dcign.model.paper_network import PaperDCIGN, UpConv, channels_last, encoder_grid, pooled_convolution
from dcign.model.paper_sizes import decoder_grid


def test_the_paper_s_network_has_the_paper_s_shapes():
    model = PaperDCIGN()
    with torch.inference_mode():
        mean, logvar = model.encode(torch.rand(1, 1, 150, 150))
        logits = model.decode_logits(mean)
    assert mean.shape == logvar.shape == (1, 200)
    assert logits.shape == (1, 1, 150, 150)
    assert model.encoder.mean.in_features == model.decoder.linear.out_features == 32 * 15 * 15
    maps = [(layer.weight.shape[1], layer.weight.shape[0]) for layer in model.decoder.upconvolutions]
    assert maps == [(32, 64), (64, 96), (96, 96), (96, 1)]


def test_the_authors_widths_give_their_bottleneck():
    with torch.device("meta"):
        model = PaperDCIGN((96, 48, 24))
    assert model.encoder.mean.in_features == 5400
    maps = [(layer.weight.shape[1], layer.weight.shape[0]) for layer in model.decoder.upconvolutions]
    assert maps == [(24, 48), (48, 96), (96, 96), (96, 1)]


def test_channels_stay_last_from_the_images_to_the_logits():
    """Convolutions and pooling are fastest so; after one that fell back the rest would be slow, and still be right."""
    model = PaperDCIGN((4, 3, 2), latents=5, size=54)
    found = []
    for module in (*model.encoder.convolutions, *model.decoder.upconvolutions):
        module.register_forward_hook(lambda _, given, made: found.extend((given[0], made)))
    model.decode(model.encode(torch.rand(2, 1, 54, 54))[0])
    assert len(found) == 14
    wide = [value for value in found if value.shape[1] > 1]  # of one channel, both layouts are the same
    assert len(wide) == 12
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in found)
    assert not any(value.is_contiguous() for value in wide)


def test_images_are_not_copied_to_put_channels_last():
    images = torch.rand(2, 1, 6, 7)
    assert torch.equal(channels_last(images), images)
    assert channels_last(images).data_ptr() == images.data_ptr()


@pytest.mark.parametrize("autocast", [False, True])
def test_a_bias_added_after_pooling_is_the_same_function(autocast):
    """Rounding grows with its size, so the largest of the rounded is the rounded of the largest."""
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 4, 5).to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 14, 15)
    found = []
    for bias_last in (False, True):
        convolution.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            pooled = pooled_convolution(images, convolution, bias_last)
        assert pooled.is_contiguous(memory_format=torch.channels_last)
        pooled.float().square().sum().backward()
        found.append((pooled, convolution.weight.grad, convolution.bias.grad))
    torch.testing.assert_close(*found, **({"rtol": 0.05, "atol": 0.05} if autocast else {"rtol": 1e-5, "atol": 1e-5}))
    assert found[0][0].dtype == (torch.bfloat16 if autocast else torch.float32)


@pytest.mark.parametrize("size", [54, 70, 86, 102, 118, 134, 150, 166])
def test_the_decoder_ends_at_the_size_the_encoder_takes(size):
    model = PaperDCIGN((3, 2, 2), latents=5, size=size)
    images = torch.rand(2, 1, size, size)
    mean, logvar = model.encode(images)
    assert mean.shape == logvar.shape == (2, 5)
    again = model.decode(mean)
    assert again.shape == images.shape
    assert again.min() >= 0
    assert again.max() <= 1
    assert encoder_grid(size) >= 2 or size == 54


@pytest.mark.parametrize("size", [1, 38, 64, 128, 149, 151])
def test_other_sizes_are_refused_by_name(size):
    with pytest.raises(RunError, match=rf"{size} x {size}.*54, 70, .*150"):
        PaperDCIGN(size=size)
    assert decoder_grid(150) == 15


def test_images_of_another_size_are_refused():
    model = PaperDCIGN((3, 2, 2), latents=5, size=54)
    with pytest.raises(RunError, match="54"):
        model.encode(torch.rand(2, 1, 70, 70))


def test_initial_values_are_the_authors():
    torch.manual_seed(0)
    model = PaperDCIGN((12, 8, 8), latents=50, size=150)
    for linear in (model.encoder.mean, model.encoder.logvar, model.decoder.linear):
        assert linear.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert linear.weight.mean().abs() < 1e-3
        assert linear.bias.std().item() == pytest.approx(0.01, rel=0.4)
    for convolution in (*model.encoder.convolutions, *model.decoder.upconvolutions):
        taps = 49 if isinstance(convolution, UpConv) else 25
        bound = (convolution.weight.shape[1] * taps) ** -0.5
        assert 0.9 * bound < convolution.weight.abs().max() <= bound
        assert convolution.bias.abs().max() <= bound


def test_under_autocast_code_and_logits_stay_float32():
    model = PaperDCIGN((3, 2, 2), latents=5, size=54)
    with torch.autocast("cpu", torch.bfloat16):
        mean, logvar = model.encode(torch.rand(2, 1, 54, 54))
        logits = model.decode_logits(mean)
    assert mean.dtype == logvar.dtype == logits.dtype == torch.float32
