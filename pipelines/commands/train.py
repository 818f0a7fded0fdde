"""`dcign train`: shards in, a trained graphics code out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from render.factors import FACTORS, MAIN, TABLE
from render.shards import open_data_set


class Numbers(click.ParamType):
    """`count` whole numbers between separators, or up to `most`: 96/64/32 or 1:1:1:10."""

    name = "numbers"

    def __init__(self, count: int, separator: str, most: int = 0) -> None:
        self.count, self.separator, self.most = count, separator, most or count

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(self.separator)
        if not self.count <= len(parts) <= self.most or not all(part.isascii() and part.isdigit() for part in parts):
            wanted = self.separator.join("N" * self.count)
            self.fail(f"expected {self.count} whole numbers as {wanted}, found {value!r}", param, ctx)
        return tuple(int(part) for part in parts)


@click.command(context_settings={"show_default": True})
@click.argument("shards", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default="run", help="Folder of the run.")
@click.option("--steps", type=click.IntRange(min=1), default=12000, help="Updates of the weights.")
@click.option(
    "--widths", type=Numbers(3, "/"), default="96/64/32", metavar="A/B/C",
    help="Maps of the three encoder layers; the decoder mirrors them. The authors' program has 96/48/24.",
)  # fmt: skip
@click.option(
    "--code", metavar="NAME:WIDTH,...",
    show_default="azimuth:1,elevation:1,light:1,intrinsic:197; chairs azimuth:1,rest:199",
    help="The latents bound to each factor; intrinsic may be split into shape, albedo and expression.",
)  # fmt: skip
@click.option(
    "--ratio", type=Numbers(4, ":", len(FACTORS)), default="1:1:1:10", metavar="A:E:L:I",
    help=f"Mini-batches of {' : '.join(MAIN)}; absent factors drop out. More numbers go to "
    f"{', '.join(f'{f.name} ({f.share})' for f in TABLE[4:])}.",
)  # fmt: skip
@click.option(
    "--procedure", type=click.Choice(["clamped", "entangled", "beta-vae", "group-vae"]), default="clamped",
    help="The paper's; its baseline without clamping; that with a stronger divergence; or inactive posteriors "
    "multiplied over the mini-batch.",
)  # fmt: skip
@click.option(
    "--clamp",
    type=click.Choice(["mean", "first"]),
    default="mean",
    help="What inactive latents become: their mini-batch mean, or, as in the authors' program, the first image's.",
)
@click.option(
    "--invariance-strength", type=float, default=0.01,
    help="Factor on (value - average), the gradient of inactive latents.",
)  # fmt: skip
@click.option(
    "--inactive-gradient", type=click.Choice(["invariance", "shared"]), default="invariance",
    help="The paper's, or also the mini-batch average of the reconstruction gradient.",
)  # fmt: skip
@click.option("--beta", type=float, default=4.0, help="Factor on the divergence, for --procedure beta-vae.")
@click.option(
    "--extrinsic-divergence", type=float, default=1.0, metavar="FACTOR",
    help="On the divergence of the latents of azimuth, elevation and light; 1 as the paper.",
)  # fmt: skip
@click.option(
    "--likelihood",
    type=click.Choice(["bernoulli", "gaussian"]),
    default="bernoulli",
    help="Of a pixel: cross-entropy, or squared error with a standard deviation of 0.1.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["rmsprop-authors", "rmsprop", "muon"]),
    default="rmsprop-authors",
    help="The paper's 'rmsprop' by the formulas of the authors' program, or by the words of the paper; or Muon (2024), "
    "which learns in about half the steps (a learning rate of 0.001 suits it).",
)
@click.option("--learning-rate", type=float, default=5e-4, help="Of the gradient summed over a mini-batch.")
@click.option(
    "--learning-rate-fall", type=click.IntRange(min=0), default=0, metavar="N",
    help="Last updates over which it falls to 0 in a straight line; 0: constant, as the paper. With more --steps "
    "later it rises again first.",
)  # fmt: skip
@click.option(
    "--momentum-decay", type=float, default=0.1,
    help="Share of the new gradient in its running mean. rmsprop: share of the velocity kept.",
)  # fmt: skip
@click.option(
    "--update-decay", type=float, default=0.01,
    help="Share of the new squared gradient in its running mean; the authors' reading of 'weight decay 0.01'.",
)  # fmt: skip
@click.option("--weight-decay", type=float, default=0.01, help="L2, for --optimizer rmsprop.")
@click.option(
    "--weight-average", type=float, default=0.0, metavar="SHARE",
    help="Keep an average of the weights, SHARE of it at each step, for evaluate and rerender to use; 0: none, as the "
    "paper; 0.998: about the last 500 steps.",
)  # fmt: skip
@click.option(
    "--accumulate", type=click.IntRange(min=1), default=1, metavar="N", show_default="1; under torchrun one a process",
    help="Mini-batches whose gradients add up to one update.",
)  # fmt: skip
@click.option(
    "--held-out", type=click.IntRange(min=0), metavar="N", show_default="a tenth, at most 10",
    help="Last mini-batches of each factor that are measured, not trained on.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto",
    help="Of the convolutions; auto: bf16 where the hardware has it.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="auto: a CUDA GPU if there is one."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of weights, order of mini-batches and noise.")
@click.option(
    "--checkpoint-every", type=click.IntRange(min=1), default=500,
    help="Steps between checkpoints, each with measures of the mini-batches held out.",
)  # fmt: skip
@click.option("--keep", type=click.IntRange(min=1), default=2, help="Newest checkpoints to keep, beside the best.")
@click.option(
    "--picture-every", type=float, default=5.0, metavar="MINUTES",
    help="Between pictures of reconstructions and sweeps, progress.png; 0: none.",
)  # fmt: skip
@click.option("--tensorboard", is_flag=True, help="Log to OUTPUT/tensorboard too (pip install 'dcign[tensorboard]').")
@click.pass_context
def command(ctx: click.Context, shards: Path, output: Path, tensorboard: bool, **settings: Any) -> None:
    """Train a graphics code on the mini-batches of SHARDS (made by `dcign render`) and leave the run in OUTPUT.

    Any subset of the factors may be present. Stopped at any moment, the same command resumes; run to the end, it
    finds nothing left to do; with more --steps it goes on. OUTPUT gets checkpoint-*.safetensors, best.safetensors (the
    lowest bound on the mini-batches held out), config.json, stats.jsonl and pictures of the progress.

    \b
    Examples:
      dcign train shards/
      dcign train shards/ -o small --widths 24/16/8 --steps 3000
      torchrun --nproc-per-node 4 --no-python dcign train shards/
    """
    data = open_data_set(shards)
    from dcign.config import TrainConfig  # torch, from here on
    from dcign.training import train

    outcome = train(data, output, TrainConfig(**settings), say=click.echo, tensorboard=tensorboard)
    if outcome.signal is not None:
        ctx.exit(128 + outcome.signal)  # so that a script does not go on with half a run
