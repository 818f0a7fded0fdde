"""encoder.onnx and decoder.onnx: what they compute, what they say, and that equal runs give equal bytes."""

import builtins
import sys

import numpy as np
import pytest
import torch
from untrained_run import write_untrained

from dcign.engine.codes import decode, encode
from dcign.errors import BadInput, Failure
from dcign.export import onnx_files
from dcign.export.onnx_files import check_files, decoder_file, encoder_file, one_thread, rounded
from dcign.model.paper_network import plain_upconv
from dcign.runs.run import load_run

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'dcign[export]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'dcign[export]'")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(
        write_untrained(
            tmp_path_factory.mktemp("work") / "run", code="azimuth:2,rest:9", fingerprint="abc", gain=1000.0
        )
    )


@pytest.fixture(scope="module")
def encoder(run):
    return encoder_file(run)


@pytest.fixture(scope="module")
def decoder(run):
    return decoder_file(run)


def outputs(content, **inputs):
    return onnxruntime.InferenceSession(content).run(None, inputs)[0]


@pytest.mark.parametrize("rows", [1, 3])
def test_the_encoder_gives_the_means_of_any_number_of_images(run, encoder, rows):
    images = np.random.default_rng(0).random((rows, 1, 54, 54), np.float32)
    with torch.inference_mode():
        expected = run.model.encode(torch.from_numpy(images))[0].numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(outputs(encoder, images=images), expected, atol=1e-5)


def test_the_decoder_is_the_papers_upsampling_and_7x7_convolutions(run, decoder):
    codes = np.random.default_rng(1).standard_normal((2, 11), np.float32)
    network = run.model.decoder
    with torch.inference_mode():
        x = network.linear(torch.from_numpy(codes)).unflatten(1, network.start)
        for layer in network.upconvolutions:
            x = plain_upconv(torch.relu(x), layer.weight, layer.bias)
        expected = torch.sigmoid(x).numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(outputs(decoder, codes=codes), expected, atol=1e-5)


def test_the_check_passes_good_files_and_says_how_close_they_are(run, encoder, decoder):
    found = check_files(run, encoder, decoder)
    assert set(found) == {"encoder", "decoder"}
    assert all(0 < difference < 1e-4 for difference in found.values())


@pytest.mark.parametrize("which", ["encoder", "decoder"])
def test_the_check_refuses_files_of_other_weights(tmp_path, run, encoder, decoder, which):
    other = load_run(write_untrained(tmp_path / "other", code="azimuth:2,rest:9", gain=1000.0, seed=1))
    files = {"encoder": encoder, "decoder": decoder}
    files[which] = encoder_file(other) if which == "encoder" else decoder_file(other)
    with pytest.raises(Failure, match=rf"{which}\.onnx: expected what PyTorch computes"):
        check_files(run, **files)


@pytest.mark.parametrize("gain", [3.0, 1000.0])
def test_the_codes_that_are_tried_are_about_as_large_as_those_of_images(monkeypatch, tmp_path, gain):
    run = load_run(write_untrained(tmp_path / "run", code="azimuth:2,rest:9", gain=gain))
    tried, known = [], []
    monkeypatch.setattr(onnx_files, "decode", lambda run, codes: tried.append(codes) or decode(run, codes))
    monkeypatch.setattr(onnx_files, "encode", lambda run, images: known.append(encode(run, images)) or known[-1])
    check_files(run, encoder_file(run), decoder_file(run))
    size = np.minimum(np.sqrt(np.mean(known[-1] ** 2, axis=0)), 4)
    assert (np.abs(tried[-1]) < 5 * size).all()
    assert np.abs(tried[-1]).mean() > 0.5 * size.mean()


def test_the_check_refuses_what_is_no_number(run, encoder, decoder):
    model = onnx.load_from_string(decoder)
    bias = next(each for each in model.graph.initializer if each.name == "upconvolution4.bias")
    bias.raw_data = np.full(bias.dims[0], np.nan, np.float32).tobytes()
    with pytest.raises(Failure, match="nan"):
        check_files(run, encoder, model.SerializeToString())


def test_equal_runs_give_equal_bytes(run, encoder, decoder):
    again = load_run(run.folder)
    assert (encoder_file(again), decoder_file(again)) == (encoder, decoder)


def test_the_files_name_their_ends_and_their_run(encoder, decoder):
    for content, given, result in ((encoder, "images", "means"), (decoder, "codes", "images")):
        model = onnx.load_from_string(content)
        shapes = {
            end.name: [each.dim_param or each.dim_value for each in end.type.tensor_type.shape.dim]
            for end in (*model.graph.input, *model.graph.output)
        }
        expected = {"images": ["N", 1, 54, 54], "means": ["N", 11], "codes": ["N", 11]}
        assert shapes == {name: expected[name] for name in (given, result)}
        facts = {entry.key: entry.value for entry in model.metadata_props}
        assert (facts["step"], facts["fingerprint"], facts["code"]) == ("7", "abc", "azimuth:2,rest:9")
        assert [each.version for each in model.opset_import] == [17]


def test_the_7x7_kernels_were_folded_when_exporting(decoder):
    model = onnx.load_from_string(decoder)
    kernels = [each.dims for each in model.graph.initializer if "upconvolution" in each.name and len(each.dims) == 4]
    assert [list(dims[2:]) for dims in kernels] == [[4, 4]] * 4
    assert {node.op_type for node in model.graph.node} == {"Gemm", "Reshape", "Relu", "Conv", "DepthToSpace", "Sigmoid"}


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_how_to_get_it(monkeypatch, run, encoder, decoder, name):
    real = builtins.__import__

    def without(module, *rest, **named):
        if module.partition(".")[0] == name:
            raise ImportError(f"No module named {module!r}")
        return real(module, *rest, **named)

    monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BadInput, match=rf"package {name} .*pip install 'dcign\[export\]'"):
        encoder_file(run) if name == "onnx" else check_files(run, encoder, decoder)


def test_one_thread_gives_the_threads_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("difference", "text"), [(0.0, "0"), (6.85e-7, "7e-07"), (3.81e-6, "4e-06"), (9.7e-7, "1e-06"), (2e-5, "2e-05")]
)
def test_differences_are_rounded_up_to_one_digit(difference, text):
    assert rounded(difference) == text
