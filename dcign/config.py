"""Settings of a training run, saved as `config.json` in the run folder and in each checkpoint's header."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from dcign.errors import ArgumentError, RunError
from render.shards.documents import Flag, ListOf, Maybe, Number, Record, Shape, Text, Unexpected, Whole

PAPER_WIDTHS = (96, 64, 32)  # maps of the encoder's layers
INVARIANCE_STRENGTH = 0.01  # 'a factor of 1/100 works well' (section 3.2)
DEFAULT_NETWORK = "paper"
# The usual widths of each of `dcign.model.networks`, as many as it takes.
WIDTHS: dict[str, tuple[int, ...]] = {DEFAULT_NETWORK: PAPER_WIDTHS, "modulated": (16, 24, 48, 96, 256)}
LARGEST_WIDTH = 4096  # maps of a layer
DEEPEST = 9
LONGEST_RATIO = 64  # factors
LARGEST_BLOCK = 100_000  # mini-batches that are dealt at once, see `dcign.training.order`
# Files of earlier versions have no such settings.
LATER = (
    "network",
    "start_from",
    "invariance_unit",
    "front_first",
    "deviation",
    "structure",
    "erase",
    "depth",
    "freeze_encoder",
    "images",
)
PRECISIONS = ("auto", "fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda")
# The settings that are one of a few words; the first is the default, and the paper's.
CHOICES = {
    "network": tuple(WIDTHS),
    "procedure": ("clamped", "entangled", "beta-vae", "group-vae"),
    "clamp": ("mean", "first", "other"),
    "invariance_unit": ("absolute", "noise"),
    "inactive_gradient": ("invariance", "shared"),
    "optimizer": ("rmsprop-authors", "rmsprop", "muon"),
    "likelihood": ("bernoulli", "gaussian"),
    "precision": PRECISIONS,
    "device": DEVICES,
}


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; the defaults are the paper's."""

    steps: int = 12_000  # updates of the weights
    network: str = DEFAULT_NETWORK  # the paper's, or another of `dcign.model.networks`
    widths: tuple[int, ...] = ()  # maps of the layers, as the network has them; none: its usual ones, see WIDTHS
    depth: int = 1  # 1, and further blocks at the two largest scales of the modulated network's decoder
    code: str | None = None  # layout of the graphics code as NAME:WIDTH,...; None: the paper's for the object
    start_from: str | None = None  # run whose weights it begins with: `dcign.runs.starting_weights`; None: no run's
    freeze_encoder: bool = False  # the decoder alone learns, on the codes that those weights give
    procedure: str = "clamped"  # the paper's, or one to compare it with: see `dcign.model.step`
    clamp: str = "mean"  # inactive latents become their 'mean', the 'first' image's, or an 'other' one's
    invariance_strength: float = INVARIANCE_STRENGTH  # factor on (value - average) for inactive latents
    invariance_unit: str = "absolute"  # of (value - average): the code's, or 'noise': see `dcign.model.step.pulls`
    inactive_gradient: str = "invariance"  # 'invariance' as in the paper, or 'shared': also the averaged gradient
    beta: float = 4.0  # factor on the divergence of beta-vae
    extrinsic_divergence: float = 1.0  # factor on the divergence of the latents of labelled factors: the angles
    likelihood: str = "bernoulli"  # of a pixel's grey value: see `dcign.model.step`
    deviation: float = 0.1  # of a pixel's grey value under the gaussian likelihood
    structure: float = 0.0  # nats a pixel x (1 - SSIM), added to the objective: see `dcign.model.structure`
    optimizer: str = "rmsprop-authors"  # a reading of the paper's 'rmsprop', or 'muon': see `dcign.model.optimisers`
    learning_rate: float = 5e-4  # of the gradient summed over a mini-batch
    learning_rate_fall: int = 0  # last updates over which the learning rate falls to 0 in a straight line; 0: none
    momentum_decay: float = 0.1  # share of the new gradient in its mean; rmsprop: velocity kept
    update_decay: float = 0.01  # share of the new squared gradient in the running mean of squares
    weight_decay: float = 0.01  # L2, of rmsprop
    weight_average: float = 0.0  # share of the averaged weights kept at each step; 0: no average, as the paper
    erase: bool = False  # take out of identity latents, after the last update, what is linear in labels
    accumulate: int = 1  # mini-batches whose gradients add up to one update
    images: int | None = None  # of each of them, drawn at random; None: all
    held_out: int | None = None  # last mini-batches of each factor kept for measuring; None: a tenth, at most 10
    ratio: tuple[int, ...] = ()  # mini-batches of each factor in their order; the rest, and none: the usual ones
    front_first: int = 0  # first updates that take other labels near the front, by the azimuths of the shards
    seed: int = 0  # of initial weights, order of mini-batches and sampling noise
    precision: str = "auto"  # of the convolutions: 'fp32', 'bf16', or 'auto': bf16 where the hardware has it
    checkpoint_every: int = 500  # steps between checkpoints, with measures of the mini-batches held out
    keep: int = 2  # newest checkpoints that stay, beside the best
    picture_every: float = 5.0  # minutes between pictures of reconstructions and sweeps; 0: none
    device: str = "auto"  # 'cpu', 'cuda', or 'auto': a CUDA GPU if there is one

    def __post_init__(self) -> None:
        def check(good: bool, name: str, expected: str, found: object) -> None:
            if not good:
                raise ArgumentError(name, f"expected {expected}, found {found}")

        if not self.widths:
            object.__setattr__(self, "widths", WIDTHS.get(self.network, ()))
        counts = {
            "steps": 1,
            "checkpoint_every": 1,
            "keep": 1,
            "accumulate": 1,
            "held_out": 0,
            "learning_rate_fall": 0,
            "front_first": 0,
            "depth": 1,
            "images": 2,
        }  # setting -> least
        numbers = {name: getattr(self, name) for name in counts}
        numbers = {name: number for name, number in numbers.items() if number is not None}
        whole = (*numbers.values(), self.seed, *self.widths, *self.ratio)
        if not all(type(number) is int for number in whole):
            raise TypeError(f"expected whole numbers, found {whole}")
        for name, number in numbers.items():
            check(number >= counts[name], name, f"at least {counts[name]}", number)
        check(self.network in WIDTHS, "network", f"one of {', '.join(WIDTHS)}", repr(self.network))
        usual = WIDTHS[self.network]
        good = len(self.widths) == len(usual) and all(1 <= width <= LARGEST_WIDTH for width in self.widths)
        expected = f"{len(usual)} numbers of maps up to {LARGEST_WIDTH}, such as {join(usual, '/')}"
        check(good, "widths", expected, join(self.widths, "/"))
        good = self.depth <= (DEEPEST if self.network == "modulated" else 1)
        check(good, "depth", f"1, or up to {DEEPEST} for the network modulated", self.depth)
        good = len(self.ratio) <= LONGEST_RATIO and all(share >= 0 for share in self.ratio)
        good = good and (any(self.ratio) or not self.ratio)
        check(good, "ratio", f"up to {LONGEST_RATIO} shares, not all of them 0", join(self.ratio, ":"))
        check(sum(self.ratio) <= LARGEST_BLOCK, "ratio", f"shares that sum to {LARGEST_BLOCK} at most", sum(self.ratio))
        check(self.start_from != "", "start_from", "a run, a checkpoint or weights that ship", "nothing")
        if self.freeze_encoder:
            check(self.start_from is not None, "freeze_encoder", "`start_from`, whose encoder it is", "none")
            check(not self.erase, "erase", "an encoder that learns", "`freeze_encoder`")
            check(self.optimizer != "rmsprop", "optimizer", "one without weight decay for `freeze_encoder`", "rmsprop")
        check(0 < self.learning_rate < float("inf"), "learning_rate", "a positive number", self.learning_rate)
        check(0.001 <= self.deviation <= 1, "deviation", "0.001 to 1", self.deviation)
        factors = ("invariance_strength", "beta", "extrinsic_divergence", "structure")
        for name in (*factors, "weight_decay", "picture_every"):
            found = getattr(self, name)
            check(0 <= found < float("inf"), name, "0 or a positive number", found)
        good = 0 <= self.momentum_decay <= 1 and (self.momentum_decay > 0 or self.optimizer == "rmsprop")
        check(good, "momentum_decay", "more than 0 (rmsprop: 0 or more), at most 1", self.momentum_decay)
        check(0 < self.update_decay <= 1, "update_decay", "more than 0, at most 1", self.update_decay)
        check(0 <= self.weight_average < 1, "weight_average", "0 up to, not including, 1", self.weight_average)
        check(0 <= self.seed < 2**63, "seed", "0 or a positive integer", self.seed)
        for name, known in CHOICES.items():
            found = getattr(self, name)
            check(found in known, name, f"one of {', '.join(known)}", repr(found))

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of update `step`, from 0 to `steps` - 1."""
        return self.learning_rate * min(1.0, (self.steps - step) / max(1, self.learning_rate_fall))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without the settings of LATER that are at their defaults."""
        settings = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}
        usual = {field.name: field.default for field in dataclasses.fields(self) if field.name in LATER}
        return {key: value for key, value in settings.items() if key not in usual or value != usual[key]}

    @classmethod
    def from_json(cls, value: Any) -> TrainConfig:
        """Read what `to_json` gave; RunError for unknown or ill-formed settings."""
        try:
            _shape().check(value)
        except Unexpected as error:
            raise RunError(f"training settings: {error}") from None
        settings: dict[str, Any] = {key: tuple(e) if isinstance(e, list) else e for key, e in value.items()}
        return cls(**settings)


@cache
def _shape() -> Record:
    """Return the shape of settings in a file, by the types of the fields."""
    shapes: dict[Any, Shape] = {bool: Flag(), int: Whole(), float: Number(), str: Text()}
    shapes[tuple[int, ...]] = ListOf(Whole())

    def shape_of(kind: Any) -> Shape:
        if NoneType in get_args(kind):
            return Maybe(shape_of(next(each for each in get_args(kind) if each is not NoneType)))
        return shapes[kind]

    return Record(optional={name: shape_of(kind) for name, kind in get_type_hints(TrainConfig).items()}, closed=True)


def setting_text(name: str, value: object) -> str:
    """Return a setting as its option takes it: widths as 96/64/32, ratio as 1:1:1:10."""
    if isinstance(value, tuple | list):
        return join(tuple(value), "/" if name == "widths" else ":")
    return str(value)


def join(values: tuple[int, ...], separator: str) -> str:
    """(96, 64, 32) -> '96/64/32'."""
    return separator.join(str(value) for value in values)
