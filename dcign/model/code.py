"""The graphics code: which latent means what (paper, Figure 2).

A layout is a row of named groups of latents. For faces

    z = [ azimuth | elevation | light | intrinsic (197) ]        and for chairs        z = [ azimuth | rest (199) ]

and for images that others took one latent for each factor they are labelled with, two where it goes round a circle, one
less than it has categories, and the rest for the identity.

A group that bears the name of a factor is active when that factor varies. A factor without a group of its own
activates the groups of its parts (`intrinsic` those of `shape` and `albedo`), or the group of the factor it is a part
of, and where there is none all groups that bear no factor's name: on chairs, elevation, light and intrinsic all move
`rest`.

After training, `AngleLatents` says which latents stand for which labelled factor: those of the group that training
named after it, or, for a procedure that names none, those found to move most with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcign.errors import RunError
from render.factors import EXTRINSIC, FACTORS
from render.shards.documents import ListOf, Row, Text, Unexpected, Whole
from render.shards.labels import INTRINSIC, Label

NAMING = ("clamped", "group-vae")  # the procedures that give latents a meaning
USUAL_LATENTS = 200  # of the whole code, as in the paper
PARTS = {name: factor.parts for name, factor in FACTORS.items() if factor.parts}  # factors of the object itself


@dataclass(frozen=True)
class CodeLayout:
    """Named groups of latents, (name, width) each, in the order in which they stand in z.

    parts   the groups
    labels  the factors that the images are labelled with, by default those of the renderer
    """

    parts: tuple[tuple[str, int], ...]
    labels: tuple[str, ...] = EXTRINSIC

    def __post_init__(self) -> None:
        names = self.names
        if not names or len(set(names)) != len(names) or any(not name for name in names):
            raise RunError(f"graphics code {self}: expected differently named groups, such as azimuth:1,rest:199")
        if any(type(width) is not int or width < 1 for _, width in self.parts):
            raise RunError(f"graphics code {self}: expected at least one latent in each group")

    @classmethod
    def for_object(cls, name: str) -> CodeLayout:
        """Return the paper's code of 200 latents for 'face' or 'chair'."""
        if name not in PAPER_CODES:
            raise RunError(f"no graphics code is known for object {name!r}: expected one of {', '.join(PAPER_CODES)}")
        return cls.parse(PAPER_CODES[name])

    @classmethod
    def for_data(cls, labels: Mapping[str, Label], factors: Sequence[str]) -> CodeLayout:
        """Return a code of 200 latents for images that others took, by their `labels` and the `factors` that vary.

        A label gets a latent, two if it is circular, one less than it has categories; none if no mini-batch is of it.
        RunError if nothing is left for the identity.
        """
        groups = [(name, _width(label)) for name, label in labels.items() if name in factors]
        rest = USUAL_LATENTS - sum(width for _, width in groups)
        if rest < 1:
            asked = ",".join(f"{name}:{width}" for name, width in groups)
            raise RunError(
                f"graphics code: the labels ask for {asked[:200]}, which leaves none of {USUAL_LATENTS} latents for "
                "the identity; name another code by `code`"
            )
        return cls((*groups, (INTRINSIC, rest)), tuple(labels))

    @classmethod
    def parse(cls, text: str, labels: Sequence[str] = EXTRINSIC) -> CodeLayout:
        """Read 'azimuth:1,elevation:1,light:1,intrinsic:197'; RunError for anything else."""
        groups = []
        for part in text.split(","):
            name, _, width = part.strip().partition(":")
            if not (width.isascii() and width.isdigit()):
                raise RunError(f"graphics code {text!r}: expected NAME:WIDTH groups, such as azimuth:1,rest:199")
            groups.append((name, int(width)))
        return cls(tuple(groups), tuple(labels))

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
        """Return the positions of a group's latents in z, (width,) int64; KeyError for an unknown group."""
        start = 0
        for name, width in self.parts:
            if name == group:
                return np.arange(start, start + width)
            start += width
        raise KeyError(group)

    def groups_of(self, factor: str) -> tuple[str, ...]:
        """Return the groups that are active when `factor` varies; RunError if the code has no place for it."""
        if factor in self.names:
            return (factor,)
        parts = set(PARTS.get(factor, ()))
        groups = {name: set(PARTS[name]) for name in self.names if name in PARTS}
        below = tuple(name for name, others in groups.items() if others <= parts)
        above = tuple(name for name, others in groups.items() if parts and parts <= others)
        unnamed = tuple(name for name in self.names if name not in (*self.labels, *PARTS))
        chosen = (*below, *unnamed) if below else above or unnamed
        if factor not in (*self.labels, *PARTS) or not chosen:
            raise RunError(f"the graphics code {self} has no latents for the factor {factor!r}; see `code`")
        return chosen

    def active(self, factor: str) -> NDArray[np.bool_]:
        """Return a mask of the latents that are active when `factor` varies, (Z,) bool."""
        mask = np.zeros(self.latents, dtype=bool)
        for group in self.groups_of(factor):
            mask[self.indices(group)] = True
        return mask

    @property
    def extrinsic(self) -> NDArray[np.bool_]:
        """Mask of the latents that belong to a labelled factor, (Z,) bool."""
        return np.repeat([name in self.labels for name in self.names], [width for _, width in self.parts])

    def to_json(self) -> list[list[Any]]:
        """Return plain JSON: [["azimuth", 1], ...]."""
        return [[name, width] for name, width in self.parts]

    @classmethod
    def from_json(cls, value: Any, labels: Sequence[str] = EXTRINSIC) -> CodeLayout:
        """Read what `to_json` gave; RunError otherwise. What the images are labelled with stands elsewhere."""
        try:
            ListOf(Row((Text(), Whole(1)))).check(value)
        except Unexpected as error:
            raise RunError(f"graphics code: {error}") from None
        return cls(tuple((name, width) for name, width in value), tuple(labels))


def _width(label: Label) -> int:
    return max(1, len(label.categories) - 1) if label.categories else 2 if label.circular else 1


PAPER_CODES = {
    "face": "azimuth:1,elevation:1,light:1,intrinsic:197",
    "chair": "azimuth:1,rest:199",
}


@dataclass(frozen=True, eq=False)
class AngleLatents:
    """The latents that stand for each factor that the images are labelled with.

    groups  factor -> its latents (W,) int64: those the code names, or those found to move most with it
    rest    all other latents, int64: what is left for the identity
    found   True if they had to be found, because the training named none
    """

    groups: Mapping[str, NDArray[np.int64]]
    rest: NDArray[np.int64]
    found: bool = False

    @property
    def single(self) -> tuple[str, ...]:
        """Names of those with a single latent: for faces by default all three angles, for chairs azimuth."""
        return tuple(name for name, latents in self.groups.items() if len(latents) == 1)

    def latents(self, factor: str) -> NDArray[np.int64]:
        """Return the latents of `factor`, (W,) int64. RunError when it has none, or is no label."""
        if factor not in self.groups:
            known = ", ".join(self.groups) or "no factor"
            raise RunError(f"{factor}: this run has no latents for it; it has them for {known}")
        return self.groups[factor]

    def own(self, codes: NDArray[np.floating], factor: str) -> NDArray[np.floating]:
        """Pick the latents of `factor` out of `codes` (..., Z): (...) where it has one, (..., W) for a group."""
        own = codes[..., self.latents(factor)]
        return own[..., 0] if own.shape[-1] == 1 else own


def named_latents(layout: CodeLayout) -> AngleLatents:
    """Return the latents of the groups that bear the name of a labelled factor."""
    return _angle_latents(
        {name: layout.indices(name) for name in layout.labels if name in layout.names}, layout.latents, False
    )


def stored_latents(layout: CodeLayout, found: Mapping[str, Sequence[int]]) -> AngleLatents:
    """Return the latents bound to each factor: those in `found`, which a calibration recorded, else those by name.

    `found` factor -> latents; empty for a training that named its latents. RunError for latents that the code has not.
    """
    if not found:
        return named_latents(layout)
    chosen = [latent for latents in found.values() for latent in latents]
    if len(set(chosen)) < len(chosen) or not all(0 <= latent < layout.latents for latent in chosen):
        raise RunError(f"expected calibrated latents out of the {layout.latents} of this code, found {chosen}")
    return _angle_latents(
        {name: np.asarray(latents, np.int64) for name, latents in found.items()}, layout.latents, True
    )


def find_latents(
    layout: CodeLayout, codes: NDArray[np.floating], kinds: NDArray[np.str_], minibatch: NDArray[np.integer]
) -> AngleLatents:
    """Find the latents of each labelled factor in the code of a training that named none: those of largest variance
    within mini-batches of that factor, as the paper picks z_azimuth of its baseline (section 4.1.1).

    `codes` (M, Z) means, `kinds` (M,) the factor that varies in the mini-batch of each image, `minibatch` (M,) which
    one that is. Only factors that the code has latents for are looked at, and one without mini-batches gets none. No
    latent goes to two of them: the first in the order of the labels takes it.
    """
    groups: dict[str, NDArray[np.int64]] = {}
    free = np.ones(layout.latents, bool)
    for name in layout.labels:
        if name not in layout.names or not np.any(kinds == name):
            continue
        labels = np.unique(minibatch[kinds == name])
        within = np.mean([codes[minibatch == label].astype(np.float64).var(axis=0) for label in labels], axis=0)
        order = np.argsort(np.where(free, -within, np.inf), kind="stable")
        groups[name] = order[: layout.groups[name]].astype(np.int64)
        free[groups[name]] = False
    return _angle_latents(groups, layout.latents, True)


def _angle_latents(groups: dict[str, NDArray[np.int64]], latents: int, found: bool) -> AngleLatents:
    rest = np.setdiff1d(np.arange(latents), np.concatenate([np.empty(0, np.int64), *groups.values()]))
    return AngleLatents(groups, rest.astype(np.int64), found)
