"""The modulated network: any size, what its code reaches, its initial values, training and ONNX files."""

import pytest
import torch
from shard_fixtures import write_synthetic
from torch import nn
from training_fixtures import go

from dcign.config import WIDTHS, TrainConfig
from dcign.errors import RunError
from dcign.model.modulated_network import Modulated, ModulatedDCIGN, Residual
from dcign.model.networks import network_of
from dcign.runs.run import load_run

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = (3, 4, 5, 6, 7)


def make(widths=SMALL, latents=5, size=54, depth=1):
    torch.manual_seed(0)
    return ModulatedDCIGN(widths, latents, size, depth)


@pytest.mark.parametrize("size", [32, 33, 47, 54, 64, 100, 150, 151])
def test_it_ends_at_the_size_that_it_takes(size):
    model = make(size=size)
    mean, logvar = model.encode(torch.rand(2, 1, size, size))
    assert mean.shape == logvar.shape == (2, 5)
    again = model.decode(mean)
    assert again.shape == (2, 1, size, size)
    assert 0 <= again.min() <= again.max() <= 1


@pytest.mark.parametrize("size", [16, 31, 1025])
def test_other_sizes_are_refused_by_name(size):
    with pytest.raises(RunError, match=rf"{size} x {size}.*32 to 1024"):
        make(size=size)
    with pytest.raises(RunError, match="32 to 1024"):
        network_of(TrainConfig(network="modulated")).check_size(size)


def test_the_usual_widths_are_those_of_the_network():
    config = TrainConfig(network="modulated")
    assert config.widths == WIDTHS["modulated"]
    assert TrainConfig().widths == WIDTHS["paper"]
    assert TrainConfig.from_json(config.to_json()) == config
    with pytest.raises(RunError, match=r"^widths: expected 5 numbers"):
        TrainConfig(network="modulated", widths=(24, 16, 8))
    assert network_of(config).describe(config) == "modulated 16/24/48/96/256"


def test_the_code_scales_and_shifts_the_maps_of_every_scale():
    """With what starts the picture cut off, each modulation alone still lets the code into it."""
    model = make()
    decoder = model.decoder
    codes = torch.randn(2, 5)
    nn.init.zeros_(decoder.linear.weight)
    nn.init.zeros_(decoder.doublings[-1].bias)
    nn.init.normal_(decoder.doublings[-1].weight)
    for layer in decoder.modulations:
        nn.init.zeros_(layer.weight)
    with torch.inference_mode():
        flat = model.decode_logits(codes)
        assert torch.equal(flat[0], flat[1])
    for layer in decoder.modulations:
        nn.init.normal_(layer.weight)
        with torch.inference_mode():
            varied = model.decode_logits(codes)
        assert not torch.allclose(varied[0], varied[1])
        nn.init.zeros_(layer.weight)


def test_a_deeper_decoder_paints_as_the_shallower_one_until_it_learns():
    shallow, deep = make(), make(depth=3)
    missing, unexpected = deep.load_state_dict(shallow.state_dict(), strict=False)
    assert not unexpected
    assert {name.rsplit(".", 3)[0] for name in missing} == {"decoder.further.2", "decoder.further.3"}
    codes = torch.randn(2, 5)
    with torch.inference_mode():
        assert torch.equal(deep.decode_logits(codes), shallow.decode_logits(codes))
    deep.decode_logits(codes).square().sum().backward()
    blocks = [module for module in deep.modules() if isinstance(module, Modulated)]
    assert [block.first.in_channels for block in blocks] == [4, 4, 3, 3]  # of the two largest scales
    assert all(block.second.weight.grad.abs().max() > 0 for block in blocks)


def test_the_code_scales_and_shifts_what_a_further_block_changes():
    block = Modulated(3, 7)
    nn.init.normal_(block.second.weight)
    x, hidden = torch.randn(1, 3, 6, 6).expand(2, -1, -1, -1), torch.randn(2, 7)
    factor, summand = block.modulation(hidden)[:, :, None, None].chunk(2, dim=1)
    inner = block.first(nn.functional.leaky_relu(x, 0.2)) * (1 + factor) + summand
    expected = x + block.second(nn.functional.leaky_relu(inner, 0.2))
    torch.testing.assert_close(block(x, hidden), expected)
    assert not torch.allclose(expected[0], expected[1])


def test_only_this_network_can_be_deeper():
    deep = TrainConfig(network="modulated", depth=3)
    assert network_of(deep).describe(deep) == "modulated 16/24/48/96/256, depth 3"
    assert network_of(deep).architecture(deep)["depth"] == 3
    assert "depth" not in network_of(deep).architecture(TrainConfig(network="modulated"))
    for settings in ({"depth": 2}, {"network": "modulated", "depth": 10}):
        with pytest.raises(RunError, match=r"^depth: expected 1, or up to 9 for the network modulated, found"):
            TrainConfig(**settings)


def test_initial_values():
    model = ModulatedDCIGN(size=54)
    block = next(module for module in model.modules() if isinstance(module, Residual))
    x = torch.randn(1, block.first.in_channels, 4, 4)
    assert torch.equal(block(x), x)
    assert model.encoder.hidden.weight.std().item() == pytest.approx(
        (2 / model.encoder.hidden.in_features) ** 0.5, rel=0.02
    )
    for layer in (model.encoder.mean, model.encoder.logvar, *model.decoder.modulations):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
    with torch.inference_mode():
        assert (model.decode(torch.randn(4, 200)) - 0.5).abs().max() < 0.2


def test_channels_stay_last():
    model = make(depth=3)
    found = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda layer, given, made: found.extend((given[0], made)))
    model.to(memory_format=torch.channels_last)
    model.decode(model.encode(torch.rand(2, 1, 54, 54))[0])
    wide = [value for value in found if value.shape[1] > 1]
    assert len(wide) > 40
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in wide)


def test_rounded_to_bfloat16_it_decodes_about_the_same():
    model = make()
    codes = torch.randn(3, 5)
    with torch.inference_mode():
        exact = model.decode_logits(codes)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model.decode_logits(codes)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.1


@pytest.mark.parametrize("depth", [1, 3])
def test_it_is_trained_opened_and_exported(tmp_path, depth):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'dcign[export]'")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'dcign[export]'")
    from dcign.export.onnx_files import check_files, decoder_file, encoder_file

    go(write_synthetic(tmp_path / "shards"), tmp_path / "run", network="modulated", widths=SMALL, depth=depth, steps=2)
    run = load_run(tmp_path / "run")
    assert isinstance(run.model, ModulatedDCIGN)
    assert max(check_files(run, encoder_file(run), decoder_file(run)).values()) < 1e-4
