"""`dcign train`: trains a graphics code on shards. Its options are the fields of `dcign.config.TrainConfig`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import click

from dcign.config import CHOICES, LONGEST_RATIO, WIDTHS, TrainConfig, setting_text
from dcign.errors import ArgumentError
from pipelines.console import Numbers, option_name, with_options
from render.factors import MAIN, TABLE

# Setting -> help, in the order of `--help`. A new setting is a field of TrainConfig and a line here.
HELP = {
    "steps": "Updates of the weights.",
    "network": "The paper's; or one of residual blocks whose maps the code scales and shifts, for images of any size "
    "from 32.",
    "widths": "Maps of the network's layers. paper: of the three of its encoder, which the decoder mirrors (the "
    "authors' program has 96/48/24); modulated: of its four scales, then of its hidden layers.",
    "depth": "1, and how many further blocks the decoder of the modulated network has at each of its two largest "
    "scales: for finer detail, in longer steps.",
    "code": "The latents bound to each factor; intrinsic may be split into shape, albedo and expression.",
    "start_from": "Begin with the weights of another run: its folder, a checkpoint, or the name of weights that ship. "
    "Network, image size and code must be the same, but its decoder may be less deep; nothing else is taken.",
    "freeze_encoder": "Let the decoder alone learn, on the codes that the weights of --start-from give.",
    "ratio": f"Mini-batches of {' : '.join(MAIN)}; absent factors drop out. More numbers go to "
    f"{', '.join(f'{factor.name} ({factor.share})' for factor in TABLE[4:])}. Of imported images: of their factors in "
    "the order in which the first line of the training names them.",
    "front_first": "Over the first N updates, take mini-batches of elevation, light or other labels near the front at "
    "first, so that no latent learns opposite things of the two sides. Reads the azimuths in the shards.",
    "procedure": "The paper's; its baseline without clamping; that with a stronger divergence; or inactive posteriors "
    "multiplied over the mini-batch.",
    "clamp": "What inactive latents become: their mini-batch mean; the first image's, as in the authors' program; or "
    "another image's, as novel views ask at use.",
    "invariance_strength": "Factor on (value - average), the gradient of inactive latents.",
    "invariance_unit": "Of (value - average): that of the code, as the paper, or the posterior deviation of each "
    "latent, which keeps latents from folding (a strength of 10 suits it).",
    "inactive_gradient": "The paper's, or also the mini-batch average of the reconstruction gradient.",
    "beta": "Factor on the divergence, for --procedure beta-vae.",
    "extrinsic_divergence": "On the divergence of the latents of azimuth, elevation and light, or of other labels; 1 "
    "as the paper.",
    "likelihood": "Of a pixel: cross-entropy, or squared error in units of a deviation.",
    "deviation": "Standard deviation of a pixel's grey value, for --likelihood gaussian.",
    "structure": "Nats a pixel that 1 - SSIM, the structural dissimilarity of 8 x 8 windows, costs beside the "
    "likelihood; 0: nothing, as the paper. 20 makes eyes and mouths clearer.",
    "optimizer": "The paper's 'rmsprop' by the formulas of the authors' program, or by the words of the paper; or Muon "
    "(2024), which learns in about half the steps (a learning rate of 0.001 suits it).",
    "learning_rate": "Of the gradient summed over a mini-batch.",
    "learning_rate_fall": "Last updates over which it falls to 0 in a straight line; 0: constant, as the paper. With "
    "more --steps later it rises again first.",
    "momentum_decay": "Share of the new gradient in its running mean. rmsprop: share of the velocity kept.",
    "update_decay": "Share of the new squared gradient in its running mean; the authors' reading of 'weight decay "
    "0.01'.",
    "weight_decay": "L2, for --optimizer rmsprop.",
    "weight_average": "Keep an average of the weights, SHARE of it at each step, for evaluate and rerender to use; 0: "
    "none, as the paper; 0.998: about the last 500 steps.",
    "erase": "After the last update, take out of the latents of the object what a linear regression reads in them of "
    "the labels (LEACE, 2023). Reads the labels in the shards.",
    "accumulate": "Mini-batches whose gradients add up to one update.",
    "images": "Take so many of each mini-batch, drawn at random anew each time. --images 2 --accumulate 10 learns from "
    "ten mini-batches in the time of one.",
    "held_out": "Last mini-batches of each factor that are measured, not trained on.",
    "precision": "Of the convolutions; auto: bf16 where the hardware has it.",
    "device": "auto: a CUDA GPU if there is one.",
    "seed": "Of weights, order of mini-batches and noise.",
    "checkpoint_every": "Steps between checkpoints, each with measures of the mini-batches held out.",
    "keep": "Newest checkpoints to keep, beside the best.",
    "picture_every": "Between pictures of reconstructions and sweeps, progress.png; 0: none.",
}
# Where the field does not say how a setting is written in a word, what to call its value, or what its default means.
TYPES = {"widths": Numbers(3, "/", 8), "ratio": Numbers(2, ":", LONGEST_RATIO)}
METAVARS = {
    "widths": "A/B/...", "code": "NAME:WIDTH,...", "start_from": "RUN", "depth": "N", "ratio": "N:N:...",
    "extrinsic_divergence": "FACTOR", "front_first": "N", "learning_rate_fall": "N", "weight_average": "SHARE",
    "structure": "NATS", "accumulate": "N", "images": "N", "held_out": "N", "picture_every": "MINUTES",
}  # fmt: skip
DEFAULTS = {
    "widths": "; ".join(f"{name} {setting_text('widths', usual)}" for name, usual in WIDTHS.items()),
    "code": "azimuth:1,elevation:1,light:1,intrinsic:197; chairs azimuth:1,rest:199; imported images: one a label, two "
    "if circular, one less than categories, the rest of 200 intrinsic",
    "ratio": "1:1:1:10; imported images: 1 a label, 10 for intrinsic",
    "accumulate": "1; under torchrun one a process",
    "images": "all",
    "held_out": "a tenth, at most 10",
}


def setting_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each setting, of the type, choices and default that TrainConfig has."""
    kinds = get_type_hints(TrainConfig)
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    for name in reversed(HELP):
        default: Any = fields[name].default
        kind: Any
        if name in TYPES:
            kind, default = TYPES[name], TYPES[name].text(default) or None
        elif name in CHOICES:
            kind = click.Choice(CHOICES[name])
        else:  # of `int | None` the int
            kind = next((each for each in get_args(kinds[name]) if each is not NoneType), kinds[name])
        option = click.option(
            option_name(name), name, type=kind, default=default, is_flag=kind is bool, metavar=METAVARS.get(name),
            show_default=DEFAULTS.get(name, True), help=HELP[name],
        )  # fmt: skip
        function = option(function)
    return function


class TrainCommand(click.Command):
    """Checks the settings together as soon as they are parsed, and hands them on as one `config`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            settings = {name: ctx.params.pop(name) for name in HELP}
            try:
                ctx.params["config"] = TrainConfig(**{k: value for k, value in settings.items() if value is not None})
            except ArgumentError as error:
                raise click.UsageError(with_options(error), ctx) from None
        return rest


@click.command(cls=TrainCommand, context_settings={"show_default": True})
@click.argument("shards", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default="run", help="Folder of the run.")
@setting_options
@click.option("--tensorboard", is_flag=True, help="Log to OUTPUT/tensorboard too (pip install 'dcign[tensorboard]').")
@click.pass_context
def command(ctx: click.Context, shards: Path, output: Path, tensorboard: bool, config: TrainConfig) -> None:
    """Train a graphics code on the mini-batches of SHARDS (of `dcign render` or `dcign import`); the run is OUTPUT.

    Any subset of the factors may be present. Stopped at any moment, the same command resumes; run to the end, it
    finds nothing left to do; with more --steps it goes on. OUTPUT gets checkpoint-*.safetensors, best.safetensors (the
    lowest bound on the mini-batches held out), config.json, stats.jsonl and pictures of the progress.

    \b
    Examples:
      dcign train shards/
      dcign train shards/ -o small --widths 24/16/8 --steps 3000
      dcign train shards/ -o mine --start-from other-run/ --steps 3000
      torchrun --nproc-per-node 4 --no-python dcign train shards/
    """
    from render.shards.data_set import open_data_set

    data = open_data_set(shards)  # what is wrong with it is said before torch is loaded
    from dcign.training.loop import train

    outcome = train(data, output, config, lambda line: click.echo(with_options(line)), tensorboard=tensorboard)
    if outcome.signal is not None:
        ctx.exit(128 + outcome.signal)  # so that a script does not go on with half a run
