"""Small procedural textures that tile: wood, cloth, leather, cane, wicker. RGB uint8, one for each finish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Colour = tuple[float, float, float]

SIDE = 128  # pixels


@dataclass(frozen=True, eq=False)
class Finish:
    """The look of a part: a plain colour, or a texture whose tile covers `tile` centimetres."""

    colour: Colour = (1.0, 1.0, 1.0)
    texture: NDArray[np.uint8] | None = None
    tile: float = 30.0


WOODS: tuple[Colour, ...] = (
    (0.80, 0.62, 0.40),  # pine
    (0.72, 0.52, 0.31),  # oak
    (0.85, 0.71, 0.52),  # birch
    (0.55, 0.33, 0.18),  # cherry
    (0.42, 0.26, 0.15),  # walnut
    (0.30, 0.18, 0.11),  # wenge
    (0.60, 0.40, 0.22),  # teak
    (0.46, 0.20, 0.12),  # mahogany
)
PAINTS: tuple[Colour, ...] = (
    (0.92, 0.91, 0.88),
    (0.12, 0.12, 0.13),
    (0.75, 0.78, 0.74),
    (0.25, 0.42, 0.52),
    (0.70, 0.22, 0.16),
    (0.88, 0.70, 0.22),
    (0.36, 0.50, 0.38),
)
METALS: tuple[Colour, ...] = (
    (0.78, 0.79, 0.80),
    (0.62, 0.63, 0.65),
    (0.15, 0.15, 0.16),
    (0.90, 0.90, 0.90),
    (0.66, 0.54, 0.32),
)
CLOTHS: tuple[Colour, ...] = (
    (0.56, 0.56, 0.55),
    (0.25, 0.28, 0.34),
    (0.72, 0.66, 0.56),
    (0.86, 0.82, 0.74),
    (0.24, 0.40, 0.58),
    (0.20, 0.46, 0.44),
    (0.58, 0.20, 0.22),
    (0.80, 0.50, 0.22),
    (0.84, 0.72, 0.30),
    (0.42, 0.50, 0.30),
    (0.50, 0.32, 0.46),
    (0.78, 0.52, 0.52),
)
HIDES: tuple[Colour, ...] = (
    (0.12, 0.11, 0.11),
    (0.36, 0.20, 0.12),
    (0.58, 0.36, 0.20),
    (0.88, 0.85, 0.80),
    (0.50, 0.13, 0.12),
    (0.28, 0.30, 0.32),
)


def wood(rng: np.random.Generator, colour: Colour) -> Finish:
    """Grain along v: stretched noise, and rings that waver."""
    _, x = _pixels()
    waver = _noise(rng, 1, 2.0)
    rings = np.sin(2 * np.pi * (rng.integers(3, 7) * x + 0.7 * waver))
    fibre = _noise(rng, 24, 1.2, stretch=12.0)
    return Finish(texture=_shaded(colour, 0.07 * rings + 0.07 * fibre), tile=25.0)


def cloth(rng: np.random.Generator, colour: Colour) -> Finish:
    """A plain weave, sometimes with stripes or checks of a second colour."""
    y, x = _pixels()
    weave = np.sin(2 * np.pi * 32 * x) * np.sin(2 * np.pi * 32 * y)
    shade = 0.05 * weave + 0.04 * _noise(rng, 16, 1.0)
    base = np.broadcast_to(np.array(colour), (SIDE, SIDE, 3))
    pattern = rng.choice(["plain", "plain", "stripes", "checks"])
    if pattern != "plain":
        second = np.clip(np.array(colour) + (0.28 if np.mean(colour) < 0.55 else -0.28), 0.05, 0.95)
        width, count = rng.uniform(-0.6, 0.5), rng.integers(2, 6)
        across, along = (np.sin(2 * np.pi * count * axis) > width for axis in (x, y))
        mix = across.astype(float) if pattern == "stripes" else 0.5 * across + 0.5 * along
        base = base + mix[..., None] * (second - np.array(colour))
    return Finish(texture=_shaded(base, shade), tile=24.0)


def leather(rng: np.random.Generator, colour: Colour) -> Finish:
    """Fine creases and broad wear."""
    return Finish(texture=_shaded(colour, 0.05 * _noise(rng, 20, 0.3) + 0.05 * _noise(rng, 3, 1.0)), tile=40.0)


def cane(rng: np.random.Generator, colour: Colour) -> Finish:
    """An open weave, its holes painted dark."""
    y, x = _pixels()
    strands = np.maximum.reduce(
        [_strand(8 * x), _strand(8 * y), 0.8 * _strand(8 * (x + y)), 0.8 * _strand(8 * (x - y))]
    )
    return Finish(texture=_shaded(colour, 0.75 * (strands - 0.85) + 0.03 * _noise(rng, 16, 1.0)), tile=20.0)


def wickerwork(rng: np.random.Generator, colour: Colour) -> Finish:
    """Strands that go over and under one another."""
    y, x = _pixels()
    row = np.floor(16 * y)
    over = np.sin(2 * np.pi * (8 * x + 0.5 * row))
    rounding = np.sqrt(np.abs(np.sin(np.pi * 16 * y)))
    return Finish(
        texture=_shaded(colour, 0.30 * (rounding - 0.8) + 0.14 * over + 0.04 * _noise(rng, 16, 1.0)), tile=24.0
    )


def plain(colour: Colour) -> Finish:
    """One colour: metal, paint, plastic."""
    return Finish(colour=colour)


def _pixels() -> tuple[Floats, Floats]:
    """Return (SIDE, SIDE) coordinates y and x in [0, 1)."""
    ticks = np.arange(SIDE) / SIDE
    y, x = np.meshgrid(ticks, ticks, indexing="ij")
    return y, x


def _noise(rng: np.random.Generator, frequency: float, slope: float, stretch: float = 1.0) -> Floats:
    """Draw (SIDE, SIDE) periodic noise of unit variance.

    Its power falls as frequency^-slope from `frequency` cycles a tile.
    """
    f = np.fft.fftfreq(SIDE) * SIDE
    radius = np.sqrt((f[:, None] * stretch) ** 2 + f[None, :] ** 2)
    spectrum = np.fft.fft2(rng.normal(size=(SIDE, SIDE))) / (1 + (radius / frequency) ** 2) ** (0.5 + slope)
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    return field / field.std()


def _strand(phase: Floats) -> Floats:
    return (np.abs((phase % 1.0) - 0.5) > 0.32).astype(np.float64)


def _shaded(colour: Colour | Floats, shade: Floats) -> NDArray[np.uint8]:
    """The colour, lightened and darkened by the factor 1 + shade."""
    return (np.clip(np.asarray(colour) * (1.0 + shade[..., None]), 0.0, 1.0) * 255).round().astype(np.uint8)
