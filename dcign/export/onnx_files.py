"""Encoder and decoder of a run as ONNX graphs, which its kind of network builds node by node from its weights.

    encoder.onnx   images (N, 1, H, W) float32 in [0, 1] -> means (N, Z)
    decoder.onnx   codes (N, Z) float32 -> images (N, 1, H, W) in [0, 1]

Written out instead of traced: the graphs are the sixteen or so operations that a reader expects, with the 7x7 kernels
folded once into the four-phase ones that inference uses (`dcign.model.paper_network`), and equal runs give equal bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from string import Template
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import dcign
from dcign.config import DEFAULT_NETWORK
from dcign.engine.codes import decode, encode
from dcign.engine.variations import Slider
from dcign.errors import BadInput, Failure
from dcign.model.networks import network_of
from dcign.runs.run import Run
from render.shards.labels import labels_to_json

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
OPSET, IR = 17, 8  # read by every onnxruntime since 1.12
LARGEST_DIFFERENCE = 1e-4  # from PyTorch in float32
ROWS = (1, 7)  # images at once in the check: N is free
PLAIN = re.compile(r"[\w .-]+")  # a category that may stand in code
CHOICES = """
A slider with `choices` takes the numbers of categories: `low` for the first of these names, `low` + 1 for the second.
Those that are not among its `knots` are not known.
"""
SPREAD = 4.0  # at most, of the codes that are tried: that of the angles' latents in many a trained run


def encoder_file(run: Run) -> bytes:
    """Return the content of encoder.onnx. BadInput where the package onnx is missing."""
    graph = _Graph()
    network_of(run.config).write_encoder(run.model, graph)
    picture, code = ("N", 1, run.size, run.size), ("N", run.layout.latents)
    return graph.serialise(run, "dcign encoder", ("images", picture), ("means", code))


def decoder_file(run: Run) -> bytes:
    """Return the content of decoder.onnx. BadInput where the package onnx is missing."""
    graph = _Graph()
    network_of(run.config).write_decoder(run.model, graph)
    picture, code = ("N", 1, run.size, run.size), ("N", run.layout.latents)
    return graph.serialise(run, "dcign decoder", ("codes", code), ("images", picture))


def check_files(run: Run, encoder: bytes, decoder: bytes, seed: int = 0) -> dict[str, float]:
    """Compare each file with PyTorch on random input: the largest |difference|, {"encoder": ..., "decoder": ...}.

    The input is images of noise, and codes about as large in each latent as what the encoder gives of these: far beyond
    them a decoder may magnify the rounding of float32 until neither PyTorch nor onnxruntime is right.

    Failure where it is above `LARGEST_DIFFERENCE` or no number, BadInput where the package onnxruntime is missing.
    """
    noise = np.random.default_rng(seed)
    found = {"encoder": 0.0, "decoder": 0.0}
    sessions = {"encoder": _session(encoder), "decoder": _session(decoder)}
    with one_thread():
        for rows in ROWS:
            images = noise.random((rows, run.size, run.size), np.float32)
            means, known = sessions["encoder"].run(["means"], {"images": images[:, None]})[0], encode(run, images)
            spread = np.minimum(np.sqrt(np.mean(known**2, axis=0)), SPREAD)
            codes = (spread * noise.standard_normal(known.shape)).astype(np.float32)
            pictures = sessions["decoder"].run(["images"], {"codes": codes})[0][:, 0]
            expected = {"encoder": known, "decoder": decode(run, codes)}
            for name, computed in (("encoder", means), ("decoder", pictures)):
                found[name] = float(np.maximum(found[name], np.abs(computed - expected[name]).max()))  # keeps a NaN
    for name, difference in found.items():
        if not difference <= LARGEST_DIFFERENCE:
            raise Failure(
                f"{name}.onnx: expected what PyTorch computes, to {LARGEST_DIFFERENCE:g}; found a difference of "
                f"{difference:.2g} on random input, so nothing was written"
            )
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread: the last digit of a sum must not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Graph:
    """Nodes and constants of a graph, in order. A node bears the name of what it gives."""

    def __init__(self) -> None:
        self.onnx = _package("onnx")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operation: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self.onnx.helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def convolve(self, x: str, name: str, weight: Tensor, bias: Tensor, **attributes: Any) -> str:
        inputs = [x, *self._parameters(name, weight, bias)]
        return self.add("Conv", inputs, name, kernel_shape=list(weight.shape[2:]), **attributes)

    def linear(self, x: str, name: str, weight: Tensor, bias: Tensor, output: str) -> str:
        return self.add("Gemm", [x, *self._parameters(name, weight, bias)], output, transB=1)

    def serialise(
        self, run: Run, name: str, source: tuple[str, Sequence[Any]], result: tuple[str, Sequence[Any]]
    ) -> bytes:
        """Return the checked model: input and output with their names and shapes, and the run's facts as metadata."""
        helper, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        ends = [[helper.make_tensor_value_info(*end[:1], kind, list(end[1]))] for end in (source, result)]
        graph = helper.make_graph(self.nodes, name, *ends, self.constants)
        version = dcign.__version__
        model = helper.make_model(
            graph, producer_name="dcign", producer_version=version, ir_version=IR,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )  # fmt: skip
        helper.set_model_props(model, facts(run))
        self.onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _parameters(self, name: str, weight: Tensor, bias: Tensor) -> list[str]:
        arrays = {"weight": weight, "bias": bias}
        return [self.constant(f"{name}.{part}", each.detach().cpu().numpy()) for part, each in arrays.items()]


def facts(run: Run) -> Mapping[str, str]:
    """Facts of the run that the files carry as metadata."""
    network = {} if run.config.network == DEFAULT_NETWORK else {"network": run.config.network}
    labels = {"labels": json.dumps(labels_to_json(run.labels), sort_keys=True)} if run.imported else {}
    return {
        **network,
        **labels,
        "dcign_version": dcign.__version__,
        "object": run.object,
        "size": str(run.size),
        "code": str(run.layout),
        "widths": network_of(run.config).describe(run.config),
        "step": str(run.step),
        "seed": str(run.config.seed),
        "fingerprint": str(run.data.get("fingerprint", "")),
    }


def _session(content: bytes) -> Any:
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _package(name: str) -> ModuleType:
    """Import the module `name` only now; BadInput where it is missing."""
    try:
        if name == "onnx":
            import onnx
            from onnx import checker, helper, numpy_helper  # noqa: F401

            return onnx
        import onnxruntime
    except ImportError as error:
        raise BadInput(f"dcign export: expected the package {name} ({error}); pip install 'dcign[export]'") from None
    return onnxruntime


def usage(run: Run, sliders: Sequence[Slider], differences: Mapping[str, float], starts: int) -> str:
    """Write the card's section on the files, with a few lines of Python. `differences` as `check_files` gives them."""
    measured = ", ".join(f"{name} {rounded(difference)}" for name, difference in differences.items())
    pictures = f"| `start-*.png` | {starts} images that the page starts from |\n" if starts else ""
    template = resources.files("dcign.export").joinpath("usage.md.template").read_text(encoding="utf-8")
    return Template(template).substitute(
        encoder=ENCODER,
        decoder=DECODER,
        size=run.size,
        latents=run.layout.latents,
        pictures=pictures,
        measured=measured,
        largest=f"{LARGEST_DIFFERENCE:g}",
        choices=CHOICES if any(slider.choices for slider in sliders) else "",
        factors="angles are" if all(slider.unit in ("°", "σ") for slider in sliders) else "factors are set by",
        example=_example(sliders),
    )


def _example(sliders: Sequence[Slider]) -> str:
    """Write the arguments that set a factor or two in Python: azimuth=30; distance=40, colour="red"."""
    known = {slider.name: slider for slider in sliders if not slider.relative and not slider.choices}
    if not sliders or ("azimuth" in known and known["azimuth"].low <= 30 <= known["azimuth"].high):
        values = ["azimuth=30"]
    else:
        values = [f"{name}={(slider.low + slider.high) / 2:.3g}" for name, slider in known.items()][:1]
    names = [
        f'{each.name}="{each.choices[0]}"' for each in sliders if each.choices and PLAIN.fullmatch(each.choices[0])
    ]
    return ", ".join([*values, *names[:1]])


def rounded(difference: float) -> str:
    """Write a difference with one digit, rounded up: the last digits differ between processors."""
    if difference == 0:
        return "0"
    unit = 10.0 ** math.floor(math.log10(difference))
    return f"{math.ceil(difference / unit) * unit:.0e}"
