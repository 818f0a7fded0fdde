"""What a comparison of runs looks at: the rows of its table, each with the way to its value in report.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from render.factors import EXTRINSIC

Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class Measure:
    """A row: its name, the keys that lead to its value in report.json, which end is better, and what it says."""

    label: str
    keys: tuple[str, ...]
    better: Better
    says: str


def _each(label: str, keys: Sequence[str], better: Better, says: str) -> tuple[Measure, ...]:
    """A measure for each angle, whose name takes the place of `FACTOR`."""
    return tuple(
        Measure(
            label.replace("FACTOR", name),
            tuple(key.replace("FACTOR", name) for key in keys),
            better,
            says.replace("FACTOR", name),
        )
        for name in EXTRINSIC
    )


def _recognition(label: str, method: str, key: str, better: Better, says: str) -> Measure:
    return Measure(label, ("evidence", "recognition", "methods", method, key), better, says)


def _score(label: str, key: str, says: str) -> Measure:
    return Measure(label, ("evidence", "disentanglement", "scores", key), "higher", says)


def _group_score(key: str, better: Better, says: str) -> Measure:
    label = f"group-wise {key.replace('_', ' ')}"
    return Measure(label, ("evidence", "groups", "overall", key), better, says)


_OF_REST = "By the latents of no angle: how often the most similar known image shows the right object."
_OF_PIXELS = "For comparison: no run has a part in it."
INFERRED = dict.fromkeys(EXTRINSIC, "degrees") | {f"shape {n}": "standard deviations" for n in (1, 2, 3)}

MEASURES: dict[str, tuple[Measure, ...]] = {
    "Reconstruction": (
        Measure("test MSE", ("intervals", "mse"), "lower", "Mean squared error, grey values in [0, 1]."),
        Measure("MSE over that of the mean image", ("intervals", "ratio"), "lower", "0: perfect; 1: no better."),
    ),
    "Knobs": (
        *_each(
            "|Spearman| of z_FACTOR",
            ("intervals", "spearman", "FACTOR", "FACTOR"),
            "higher",
            "1: the latent orders images exactly by their true FACTOR.",
        ),
        *_each(
            "circular R² of z_FACTOR",
            ("intervals", "circular_r2", "FACTOR"),
            "higher",
            "Share of the latent's variance that a sinusoid of the angle explains, where it goes full circle.",
        ),
        *_each(
            "error of FACTOR read back, degrees",
            ("intervals", "read_back_degrees", "FACTOR"),
            "lower",
            "Root mean square error of the angle read from its latents through the calibration.",
        ),
        Measure(
            "largest leak",
            ("spearman", "largest_leak"),
            "lower",
            "Largest |Spearman| of a knob with another's factor. Without an interval, so never marked.",
        ),
    ),
    "Holding still": tuple(
        Measure(
            f"others' variance while {name} varies",
            ("intervals", "invariance", name),
            "lower",
            "Within mini-batches, over that in the whole set. 0: the other latents hold still; 1: they do not.",
        )
        for name in (*EXTRINSIC, "intrinsic")
    ),
    "Novel views of one image": (
        *_each(
            "novel-view MSE, FACTOR",
            ("evidence", "novel_views", "factors", "FACTOR", "mse"),
            "lower",
            "Decoded at the degrees asked for, against the true image there.",
        ),
        *_each(
            "ratio to copying the input, FACTOR",
            ("evidence", "novel_views", "factors", "FACTOR", "ratio_to_copying"),
            "lower",
            "Below 1: better than handing back the input.",
        ),
    ),
    "What moves when one factor turns": (
        *_each(
            "R² of a line, z_FACTOR",
            ("evidence", "response", "factors", "FACTOR", "latents", "0", "line_r2"),
            "higher",
            "How straight the latent follows true FACTOR while all else holds still.",
        ),
        *_each(
            "R² of a sinusoid, z_FACTOR",
            ("evidence", "response", "factors", "FACTOR", "latents", "0", "sinusoid_r2"),
            "higher",
            "The same where the angle goes full circle.",
        ),
        *_each(
            "how far other latents move with FACTOR",
            ("evidence", "response", "factors", "FACTOR", "moved", "rest", "overall"),
            "lower",
            "Those of no angle, in standard deviations over different objects in different poses; 0 is best.",
        ),
    ),
    "Recognition of unseen objects": (
        _recognition("rank-1 recognition", "rest", "rank1", "higher", _OF_REST),
        _recognition("rank-1 recognition, whole code", "code", "rank1", "higher", "By all latents, angles among them."),
        _recognition("rank-1 recognition, pixels", "pixels", "rank1", "", _OF_PIXELS),
        _recognition("equal error rate", "rest", "eer", "lower", "Of telling whether two images show one object."),
        _recognition("equal error rate, pixels", "pixels", "eer", "", _OF_PIXELS),
    ),
    "Disentanglement, latent by latent": (
        _score("MIG", "mig", "Does one latent alone know each factor?"),
        _score("SAP", "sap", "Does one latent alone predict each factor by a straight line?"),
        _score("modularity", "modularity", "Does each latent know one factor only?"),
        _score("DCI disentanglement", "disentanglement", "Do trees use each latent for one factor only?"),
        _score("DCI completeness", "completeness", "Do trees need one latent only for each factor?"),
        _score("DCI informativeness", "informativeness", "How well do trees predict the factors of unseen objects?"),
        _score("FactorVAE score", "factor_vae", "Which factor do images share, by the latent that varies least?"),
        _score("beta-VAE score", "beta_vae", "Which factor do pairs of images share, by the differences of codes?"),
    ),
    "Groups of latents": (
        _group_score("informativeness", "higher", "How well each factor is predicted from its own group."),
        _group_score("leakage", "lower", "How well from the group that knows most of those that should not know it."),
        _group_score("largest_leak", "lower", "The worst of these over all factors."),
        _group_score("gap", "higher", "Own group less the best other one; below 0, the wrong group knows best."),
        _group_score("disentanglement", "higher", "1: each group knows one kind of factor only."),
        _group_score("completeness", "higher", "1: each factor is known to one group only."),
        _group_score("mutual_information_gap", "higher", "Group-wise MIG: 1 where one group alone knows all."),
    ),
    "Inference with the renderer, the code as statistic": (
        Measure(
            "error over that of guessing",
            ("evidence", "inference", "relative_error", "code adjusted"),
            "lower",
            "Mean over all parameters. 0: all known; 1: nothing.",
        ),
        Measure(
            "error over that of guessing, pixels",
            ("evidence", "inference", "relative_error", "pixels adjusted"),
            "",
            "The same simulations, but compared by their pixels: no run has a part in it.",
        ),
        *(
            Measure(
                f"error of {name}, {unit}",
                ("evidence", "inference", "methods", "code adjusted", name, "rms_error"),
                "lower",
                "Root mean square error of the mean of the posterior.",
            )
            for name, unit in INFERRED.items()
        ),
        *(
            Measure(
                f"coverage of {name}",
                ("evidence", "inference", "methods", "code adjusted", name, "coverage_90"),
                "",
                "Share of 90 % credible intervals that hold the truth: 0.9 is right.",
            )
            for name in INFERRED
        ),
    ),
}
