"""The graphics code: which latent means what (paper, Figure 2).

A layout is a row of named groups of latents. For faces

    z = [ azimuth | elevation | light | intrinsic (197) ]        and for chairs        z = [ azimuth | rest (199) ]

A group that bears the name of a factor is active when that factor varies. A factor without a group of its own
activates the groups of its parts (`intrinsic` those of `shape` and `albedo`), or the group of the factor it is a part
of, and where there is none all groups that bear no factor's name: on chairs, elevation, light and intrinsic all move
`rest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.errors import RunError
from render.factors import EXTRINSIC, FACTORS


@dataclass(frozen=True)
class CodeLayout:
    """Named groups of latents, (name, width) each, in the order in which they stand in z."""

    parts: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        names = self.names
        if not names or len(set(names)) != len(names) or any(not name for name in names):
            raise RunError(f"graphics code {self}: expected differently named groups, such as azimuth:1,rest:199")
        if any(type(width) is not int or width < 1 for _, width in self.parts):
            raise RunError(f"graphics code {self}: expected at least one latent in each group")

    @classmethod
    def for_object(cls, name: str) -> CodeLayout:
        """The paper's code of 200 latents for 'face' or 'chair'."""
        if name not in PAPER_CODES:
            raise RunError(f"no graphics code is known for object {name!r}: expected one of {', '.join(PAPER_CODES)}")
        return cls.parse(PAPER_CODES[name])

    @classmethod
    def parse(cls, text: str) -> CodeLayout:
        """'azimuth:1,elevation:1,light:1,intrinsic:197' -> layout; RunError for anything else."""
        groups = []
        for part in text.split(","):
            name, _, width = part.strip().partition(":")
            if not (width.isascii() and width.isdigit()):
                raise RunError(f"graphics code {text!r}: expected NAME:WIDTH groups, such as azimuth:1,rest:199")
            groups.append((name, int(width)))
        return cls(tuple(groups))

    def __str__(self) -> str:
        return ",".join(f"{name}:{width}" for name, width in self.parts)

    @property
    def groups(self) -> dict[str, int]:
        """Name -> width, in order."""
        return dict(self.parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups, in order."""
        return tuple(name for name, _ in self.parts)

    @property
    def latents(self) -> int:
        """Z, the width of the whole code."""
        return sum(width for _, width in self.parts)

    def indices(self, group: str) -> NDArray[np.int64]:
        """Positions of a group's latents in z, (width,) int64; KeyError for an unknown group."""
        start = 0
        for name, width in self.parts:
            if name == group:
                return np.arange(start, start + width)
            start += width
        raise KeyError(group)

    def groups_of(self, factor: str) -> tuple[str, ...]:
        """The groups that are active when `factor` varies; RunError if the code has no place for it."""
        if factor in self.names:
            return (factor,)
        parts = set(FACTORS[factor].parts) if factor in FACTORS else set()
        groups = {name: set(FACTORS[name].parts) for name in self.names if name in FACTORS}
        below = tuple(name for name, others in groups.items() if others and others <= parts)
        above = tuple(name for name, others in groups.items() if parts and parts <= others)
        unnamed = tuple(name for name in self.names if name not in FACTORS)
        chosen = (*below, *unnamed) if below else above or unnamed
        if factor not in FACTORS or not chosen:
            raise RunError(f"the graphics code {self} has no latents for the factor {factor!r}; see --code")
        return chosen

    def active(self, factor: str) -> NDArray[np.bool_]:
        """Which latents are active when `factor` varies, (Z,) bool."""
        mask = np.zeros(self.latents, dtype=bool)
        for group in self.groups_of(factor):
            mask[self.indices(group)] = True
        return mask

    @property
    def extrinsic(self) -> NDArray[np.bool_]:
        """Which latents are those of an angle, (Z,) bool."""
        return np.repeat([name in EXTRINSIC for name in self.names], [width for _, width in self.parts])

    def to_json(self) -> list[list[Any]]:
        """As plain JSON: [["azimuth", 1], ...]."""
        return [[name, width] for name, width in self.parts]

    @classmethod
    def from_json(cls, value: Any) -> CodeLayout:
        """From what `to_json` gave; RunError otherwise."""
        try:
            return cls(tuple((str(name), width) for name, width in value))
        except (TypeError, ValueError):
            raise RunError(f"expected a graphics code as [[name, width], ...], found {value!r}") from None


PAPER_CODES = {
    "face": "azimuth:1,elevation:1,light:1,intrinsic:197",
    "chair": "azimuth:1,rest:199",
}
