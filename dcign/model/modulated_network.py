"""A network of today: residual blocks, deep and wide where the picture is small, whose maps the code scales and shifts.

    encoder  4 x (3x3 convolution that halves the picture, residual block from the second on), a hidden layer, then two
             linear heads: mean and log-variance of Q(z | x)
    decoder  two hidden layers, which make the smallest maps and, at each of four scales, a factor and a summand for
             every map; 4 x (residual block down to the second scale, modulation, 3x3 convolution and pixel shuffle,
             which double the picture); logits out. With a depth of 2 and more, further blocks follow the modulations of
             the two largest scales, where fine detail is painted; their inner maps, twice as many, are modulated too

In the paper's decoder one linear layer and a ReLU take the code to maps, and convolutions do the rest: what the code
says of the pose and what it says of the object add up before anything multiplies them. Here two hidden layers mix them
first, and the mixture modulates every scale (FiLM: Perez et al., 2018), so that a mouth can turn with its head.

With widths A/B/C/D/H the maps are A where the picture is halved once, D where it is halved four times, and hidden
layers H wide. Any size from 32 up fits: the encoder rounds halves up, the decoder cuts what it paints too much. Shapes
below: N images, Z latents, H = W = size.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dcign.config import WIDTHS, TrainConfig, join
from dcign.errors import RunError
from dcign.model.interface import DCIGN, Graph, Network, channels_last

NAME = "modulated"
SMALLEST, LARGEST = 32, 1024  # side of an image in pixels
SLOPE = 0.2  # of an activation where it is negative
BOTTLENECK = 32  # maps between the smallest scale and the hidden layers: a grid of more would be mostly weights


def activate(x: Tensor) -> Tensor:
    """Return x where it is positive and SLOPE x elsewhere: a leaky ReLU, so that no unit ever stops learning."""
    return functional.leaky_relu(x, SLOPE)


def grid(size: int, halvings: int) -> int:
    """Return the side of the maps after so many halvings, each rounded up."""
    return -(-size // 2**halvings)


class Residual(nn.Module):
    """x + two convolutions 3x3 of x, an activation before each: (N, C, h, w) -> the same. It starts as x alone."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(maps, maps, 3, padding=1), nn.Conv2d(maps, maps, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(activate(self.first(activate(x))))
        return x + change


class Modulated(nn.Module):
    """x + two convolutions 3x3 of x, as `Residual`, but with 2 C maps between them, which the code scales and shifts.

    Maps (N, C, h, w), hidden (N, H) -> the same maps. It starts as x alone, so that it may join a trained network.
    """

    def __init__(self, maps: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(maps, 2 * maps, 3, padding=1), nn.Conv2d(2 * maps, maps, 3, padding=1)
        self.modulation = nn.Linear(hidden, 4 * maps)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        change: Tensor = modulate(self.first(activate(x)), self.modulation, hidden)
        return x + self.second(activate(change))


def modulate(x: Tensor, modulation: nn.Module, hidden: Tensor) -> Tensor:
    """Return x (1 + factor) + summand of maps (N, C, h, w); a linear layer makes these of hidden units (N, H)."""
    with torch.autocast(x.device.type, enabled=False):
        factor, summand = modulation(hidden)[:, :, None, None].chunk(2, dim=1)
    return torch.addcmul(summand.to(x.dtype), x, 1 + factor.to(x.dtype))


class Encoder(nn.Module):
    """Images (N, 1, H, W) in [0, 1] -> mean and log-variance of Q(z | x), (N, Z) float32 each."""

    def __init__(self, maps: tuple[int, ...], hidden: int, latents: int, size: int) -> None:
        super().__init__()
        self.halvings = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise((1, *maps))
        )
        self.blocks = nn.ModuleList(Residual(width) for width in maps[1:])
        self.narrow = nn.Conv2d(maps[-1], BOTTLENECK, 1)
        self.hidden = nn.Linear(BOTTLENECK * grid(size, len(maps)) ** 2, hidden)
        self.mean, self.logvar = nn.Linear(hidden, latents), nn.Linear(hidden, latents)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.halvings[0](channels_last(images))
        for halving, block in zip(self.halvings[1:], self.blocks, strict=True):
            x = block(halving(activate(x)))
        x = self.narrow(activate(x))
        # The code keeps float32 under autocast: clamping works with small differences from the mini-batch mean.
        with torch.autocast(images.device.type, enabled=False):
            x = activate(self.hidden(activate(x.float().flatten(1))))
            return self.mean(x), self.logvar(x)


class Decoder(nn.Module):
    """Graphics codes (N, Z) -> logits of the pixels (N, 1, H, W) float32."""

    def __init__(self, maps: tuple[int, ...], hidden: int, latents: int, size: int, depth: int) -> None:
        super().__init__()
        self.size = size
        side = grid(size, len(maps))
        self.start = (BOTTLENECK, side, side)
        self.first, self.second = nn.Linear(latents, hidden), nn.Linear(hidden, hidden)
        self.linear = nn.Linear(hidden, BOTTLENECK * side**2)
        self.widen = nn.Conv2d(BOTTLENECK, maps[-1], 1)
        smallest_first = maps[::-1]
        self.blocks = nn.ModuleList(Residual(width) for width in smallest_first[:-1])
        self.modulations = nn.ModuleList(nn.Linear(hidden, 2 * width) for width in smallest_first)
        self.further = nn.ModuleList(
            nn.ModuleList(Modulated(width, hidden) for _ in range(count))
            for width, count in zip(smallest_first, (0, 0, depth - 1, depth - 1), strict=True)
        )
        self.doublings = nn.ModuleList(
            nn.Conv2d(a, 4 * b, 3, padding=1) for a, b in itertools.pairwise((*smallest_first, 1))
        )

    def forward(self, z: Tensor) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            hidden = activate(self.second(activate(self.first(z))))
            x = self.linear(hidden)
        x = x.unflatten(1, self.start).contiguous(memory_format=torch.channels_last)
        x = self.widen(activate(x))
        scales = itertools.zip_longest(self.blocks, self.modulations, self.further, self.doublings)
        for block, modulation, further, doubling in scales:
            if block is not None:
                x = block(x)
            x = modulate(x, modulation, hidden)
            for each in further.children():
                x = each(x, hidden)
            x = functional.pixel_shuffle(doubling(activate(x)), 2)
        edge = (x.shape[-1] - self.size) // 2
        return x[:, :, edge : edge + self.size, edge : edge + self.size].float()


class ModulatedDCIGN(DCIGN):
    """The modulated network.

    widths   maps of four scales, the largest picture first, and width of the hidden layers
    latents  width Z of the graphics code
    size     side of the square images in pixels: from 32 up (RunError otherwise)
    depth    1, and how many further blocks the decoder has at each of its two largest scales
    """

    encoder: Encoder
    decoder: Decoder

    def __init__(
        self, widths: tuple[int, ...] = WIDTHS[NAME], latents: int = 200, size: int = 150, depth: int = 1
    ) -> None:
        check_size(size)
        super().__init__(latents, size)
        self.widths = widths
        self.encoder = Encoder(widths[:-1], widths[-1], latents, size)
        self.decoder = Decoder(widths[:-1], widths[-1], latents, size, depth)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set initial values: normal of variance 2 / fan-in (He et al., 2015) and no bias; blocks start as nothing.

        The heads are N(0, 0.01) as the paper's. So are the layer that takes the code, since latents that carry nothing
        yet are noise of deviation 1; the modulations, which start near 1 and 0; and what paints the logits.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Residual | Modulated):
                nn.init.zeros_(module.second.weight)
            if isinstance(module, Modulated):
                nn.init.normal_(module.modulation.weight, 0.0, 0.01)
        last = self.decoder.doublings[-1]
        for layer in (self.encoder.mean, self.encoder.logvar, self.decoder.first, *self.decoder.modulations, last):
            assert isinstance(layer, nn.Linear | nn.Conv2d)
            nn.init.normal_(layer.weight, 0.0, 0.01)


def check_size(size: int) -> None:
    """RunError for an image size that the network cannot be built for."""
    if not SMALLEST <= size <= LARGEST:
        raise RunError(
            f"images of {size} x {size} do not fit the network {NAME}: possible sizes are {SMALLEST} to {LARGEST}; "
            "render with another `size`"
        )


class ModulatedNetwork(Network):
    """The modulated network, whose shape is five widths."""

    def check_size(self, size: int) -> None:
        check_size(size)

    def build(self, config: TrainConfig, latents: int, size: int) -> ModulatedDCIGN:
        return ModulatedDCIGN(config.widths, latents, size, config.depth)

    def architecture(self, config: TrainConfig) -> dict[str, Any]:
        depth = {"depth": config.depth} if config.depth > 1 else {}  # files of earlier versions do not tell it
        return {"widths": list(config.widths), **depth}

    def describe(self, config: TrainConfig) -> str:
        depth = f", depth {config.depth}" if config.depth > 1 else ""
        return f"{NAME} {join(config.widths, '/')}{depth}"

    def write_encoder(self, model: DCIGN, graph: Graph) -> None:
        assert isinstance(model, ModulatedDCIGN)
        encoder, x = model.encoder, "images"
        for number, halving in enumerate(encoder.halvings, 1):
            if number > 1:
                x = graph.add("LeakyRelu", [x], f"relu{number}", alpha=SLOPE)
            x = _convolve(graph, x, f"halving{number}", halving, strides=[2, 2])
            if number > 1:
                x = _write_block(graph, x, f"block{number}", encoder.blocks[number - 2])
        x = graph.add("LeakyRelu", [x], "smallest", alpha=SLOPE)
        x = _convolve(graph, x, "narrow", encoder.narrow)
        x = graph.add("LeakyRelu", [x], "maps", alpha=SLOPE)
        x = graph.add("Flatten", [x], "features", axis=1)
        x = _linear(graph, x, "hidden", encoder.hidden)
        x = graph.add("LeakyRelu", [x], "relu.hidden", alpha=SLOPE)
        graph.linear(x, "mean", encoder.mean.weight, encoder.mean.bias, "means")

    def write_decoder(self, model: DCIGN, graph: Graph) -> None:
        assert isinstance(model, ModulatedDCIGN)
        decoder = model.decoder
        hidden = graph.add("LeakyRelu", [_linear(graph, "codes", "first", decoder.first)], "relu.first", alpha=SLOPE)
        hidden = graph.add("LeakyRelu", [_linear(graph, hidden, "second", decoder.second)], "relu.second", alpha=SLOPE)
        x = graph.add("LeakyRelu", [_linear(graph, hidden, "linear", decoder.linear)], "features", alpha=SLOPE)
        start = graph.constant("grid", np.asarray([-1, *decoder.start], np.int64))
        x = graph.add("Reshape", [x, start], "maps")
        x = _convolve(graph, x, "widen", decoder.widen)
        for number, doubling in enumerate(decoder.doublings, 1):
            if number <= len(decoder.blocks):
                x = _write_block(graph, x, f"block{number}", decoder.blocks[number - 1])
            x = _write_modulation(graph, x, hidden, str(number), decoder.modulations[number - 1])
            for place, further in enumerate(decoder.further[number - 1].children(), 2):
                x = _write_modulated(graph, x, hidden, f"{number}.{place}", further)
            x = graph.add("LeakyRelu", [x], f"relu{number}", alpha=SLOPE)
            x = _convolve(graph, x, f"doubling{number}", doubling)
            x = graph.add("DepthToSpace", [x], f"shuffle{number}", blocksize=2, mode="CRD")  # PyTorch's pixel shuffle
        first = (2 ** len(decoder.doublings) * decoder.start[1] - decoder.size) // 2
        ends = [graph.constant(f"cut.{name}", np.asarray(values, np.int64)) for name, values in (
            ("starts", [first, first]), ("ends", [first + decoder.size] * 2), ("axes", [2, 3]),
        )]  # fmt: skip
        x = graph.add("Slice", [x, *ends], "cut")
        graph.add("Sigmoid", [x], "images")


def _convolve(graph: Graph, x: str, name: str, layer: nn.Module, **attributes: Any) -> str:
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    edge = layer.weight.shape[-1] // 2
    return graph.convolve(x, name, layer.weight, layer.bias, pads=[edge] * 4, **attributes)


def _linear(graph: Graph, x: str, name: str, layer: nn.Linear) -> str:
    return graph.linear(x, name, layer.weight, layer.bias, f"{name}.sum")


def _write_block(graph: Graph, x: str, name: str, block: nn.Module) -> str:
    assert isinstance(block, Residual)
    change = graph.add("LeakyRelu", [x], f"{name}.relu1", alpha=SLOPE)
    change = _convolve(graph, change, f"{name}.first", block.first)
    change = graph.add("LeakyRelu", [change], f"{name}.relu2", alpha=SLOPE)
    change = _convolve(graph, change, f"{name}.second", block.second)
    return graph.add("Add", [x, change], name)


def _write_modulated(graph: Graph, x: str, hidden: str, number: str, block: nn.Module) -> str:
    assert isinstance(block, Modulated)
    change = graph.add("LeakyRelu", [x], f"block{number}.relu1", alpha=SLOPE)
    change = _convolve(graph, change, f"block{number}.first", block.first)
    change = _write_modulation(graph, change, hidden, number, block.modulation)
    change = graph.add("LeakyRelu", [change], f"block{number}.relu2", alpha=SLOPE)
    change = _convolve(graph, change, f"block{number}.second", block.second)
    return graph.add("Add", [x, change], f"block{number}")


def _write_modulation(graph: Graph, x: str, hidden: str, number: str, layer: nn.Module) -> str:
    """x (1 + factor) + summand, where the layer's first half of outputs is the factors."""
    assert isinstance(layer, nn.Linear)
    maps = len(layer.bias) // 2
    sides = graph.constant(f"maps{number}", np.asarray([-1, maps, 1, 1], np.int64))

    def part(name: str, rows: slice, more: float) -> str:
        values = graph.linear(
            hidden, f"{name}{number}", layer.weight[rows], layer.bias[rows] + more, f"{name}{number}.row"
        )
        return graph.add("Reshape", [values, sides], f"{name}{number}")

    scaled = graph.add("Mul", [x, part("factor", slice(maps), 1.0)], f"scaled{number}")
    return graph.add("Add", [scaled, part("summand", slice(maps, None), 0.0)], f"shifted{number}")
