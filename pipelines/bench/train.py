"""`dcign bench train`: a plain PyTorch training step and ours, on the same mini-batches in one run."""

from __future__ import annotations

import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dcign.config import CHOICES, DEVICES, TrainConfig
from pipelines.bench.measuring import JSON_OUTPUT, ask, two_processes, write_json
from pipelines.console import Numbers

if TYPE_CHECKING:
    from render.shards.data_set import DataSet

TURNS = 3  # of each program; the median counts
MINIBATCHES = 50  # of each factor, without SHARDS: one shard each
STEPS = {"cpu": 6, "cuda": 300}  # of each turn
CURVE_WIDTHS = (12, 8, 6)  # on a CPU
RUN = 12_000 * 20  # images of the paper's training
ASKED = {("cpu", "fp32"): 2.3, ("cpu", "bf16"): 4.0, ("cuda", "bf16"): 10.0}  # times the plain step's speed
GRADIENTS_ASKED, CURVES_ASKED = 1e-5, 0.01  # largest relative differences
KERNEL, TAPS, FOLDED_TAPS = 5, 49, 64  # encoder's side; a decoder kernel on the upsampled image; its four folded ones


@click.command(name="train", context_settings={"show_default": True})
@click.argument("shards", required=False, type=click.Path(path_type=Path))
@click.option("--widths", type=Numbers(3, "/"), default="96/64/32", metavar="A/B/C", help="As for `dcign train`.")
@click.option(
    "--steps", type=click.IntRange(min=1), show_default=f"{STEPS['cpu']}; {STEPS['cuda']} on a GPU",
    help="Timed steps of each program in each of three turns.",
)  # fmt: skip
@click.option("--curve-steps", type=click.IntRange(min=1), default=200, help="Steps whose losses are compared.")
@click.option(
    "--curve-widths", type=Numbers(3, "/"), metavar="A/B/C",
    show_default=f"{'/'.join(map(str, CURVE_WIDTHS))}; as --widths on a GPU", help="Of the network for that.",
)  # fmt: skip
@click.option(
    "--optimizer", type=click.Choice(CHOICES["optimizer"]), default=TrainConfig.optimizer, help="As for `dcign train`."
)
@click.option("--device", type=click.Choice(DEVICES), default="auto", help="auto: a CUDA GPU if there is one.")
@JSON_OUTPUT
def command(
    shards: Path | None, widths: tuple[int, int, int], steps: int | None, curve_steps: int,
    curve_widths: tuple[int, int, int] | None, optimizer: str, device: str, output: Path | None,
) -> None:  # fmt: skip
    """Compare a training step with a plain one, and both with what the machine could do at most.

    Plain is what one would write from the paper with stock PyTorch: eager, float32, nearest upsampling and 7x7
    convolutions, a DataLoader over np.load (four workers with a GPU), an optimiser that goes through its parameters,
    the loss read at every step. Ours is what `dcign train` does, loading and status included. Both have the same
    shards, initial weights, mini-batches and noise, a process each, PyTorch's choice of threads, and take turns.

    On a GPU plain has TF32 in its convolutions, as PyTorch has by default, and is timed once more without; ours is
    timed once more without its CUDA graph.

    'Of peak' is the arithmetic done against the fastest matrix product measured here in the same precision; 'of floor'
    the least time for a step in the four-phase form, by that peak and by a measured copy, against the time taken.

    Gradients and losses are compared too; on a CPU the losses are those of a narrow network, since 200 plain steps of
    the paper's take ten minutes. Gradients are taken with the choices of ReLUs and max-pools alike, which rounding
    turns over where values nearly tie, and also with those choices turned. In the narrow network both programs are held
    against the plain one in float64 too: sums over all pixels of a mini-batch lose digits in float32.

    SHARDS is a folder of shards. Without it, images of lit balls, 20 of 150 x 150 a mini-batch, go to a temporary
    folder.

    \b
    Examples:
      dcign bench train
      dcign bench train --optimizer muon --widths 24/32/40
      dcign bench train --device cuda -o train.json
    """
    from pipelines.bench.inputs import write_discs
    from render.shards.data_set import open_data_set

    with tempfile.TemporaryDirectory() as temporary:
        if shards is None:
            shards = Path(temporary)
            write_discs(shards, MINIBATCHES)
        data = open_data_set(shards)
        for name in data.manifest.shards:
            (shards / name).read_bytes()  # into the page cache, for both
        with two_processes() as (theirs, ours):
            document = _compare(data, widths, steps, curve_steps, curve_widths, optimizer, device, theirs, ours)
    write_json(output, document)


def _compare(
    data: DataSet, widths: tuple[int, int, int], steps: int | None, curve_steps: int,
    curve_widths: tuple[int, int, int] | None, optimizer: str, device: str,
    theirs: ProcessPoolExecutor, ours: ProcessPoolExecutor,
) -> dict[str, Any]:  # fmt: skip
    from dcign.model.paper_sizes import decoder_grid
    from dcign.training.loop import graphics_code  # torch, from here on
    from pipelines.bench import train_agreement as agreeing
    from pipelines.bench import train_loops as loops

    for each in (widths, curve_widths or widths):
        TrainConfig(widths=each)  # refuse what cannot be trained before anything is measured
    decoder_grid(data.size)
    machine = ask(ours, loops.machine, device)
    cuda = machine["device"] == "cuda"
    latents = graphics_code(data, None).latents
    floors = {
        precision: floor(widths, latents, data.size, data.batch_size, precision, machine)
        for precision in machine["precisions"]
    }
    _show_machine(machine, floors, data.batch_size)

    # --- speed: turn by turn
    setting = loops.Setting(data.folder, device, widths, optimizer)
    steps = steps or STEPS[machine["device"]]
    formats = [precision for precision in machine["precisions"] if precision != "tf32"]
    programs = {loops.PLAIN: "tf32" if "tf32" in floors else "fp32", **{precision: precision for precision in formats}}
    if cuda:
        programs |= {f"{loops.PLAIN} without TF32": "fp32", **{f"{name} without graph": name for name in formats}}
    turns: dict[str, list[tuple[float, float]]] = {program: [] for program in programs}
    for _ in range(TURNS):
        for program, measured in turns.items():
            pool = theirs if program.startswith(loops.PLAIN) else ours
            measured.append(ask(pool, loops.seconds_a_step, setting, program, steps))
    plain = statistics.median(turn[0] for turn in turns[loops.PLAIN])
    rows = {
        program: {
            **row(measured, plain, data.batch_size, floors[programs[program]], program.startswith(loops.PLAIN)),
            "asked": ASKED.get((machine["device"], program)),
        }
        for program, measured in turns.items()
    }
    _show_rows(rows, cuda, steps, "/".join(map(str, widths)))

    updates = ask(ours, loops.cost_of_updates, setting)
    _show_updates(updates, optimizer, cuda)

    # --- agreement
    narrow = loops.Setting(data.folder, device, curve_widths or (widths if cuda else CURVE_WIDTHS), optimizer)
    curves = [
        ask(pool, agreeing.curve, narrow, program, curve_steps)
        for pool, program in ((theirs, loops.PLAIN), (ours, "fp32"))
    ]
    agreement = {
        "gradients": {
            "asked": GRADIENTS_ASKED,
            **ask(ours, agreeing.gradient_differences, setting),
            "narrow": ask(ours, agreeing.gradient_differences, narrow, True),
        },
        "curves": {"asked": CURVES_ASKED, "widths": narrow.widths, **compare_curves(*curves)},
    }
    _show_agreement(agreement)
    return {
        "widths": widths, "latents": latents, "size": data.size, "batch_size": data.batch_size, "steps": steps,
        "optimizer": optimizer, "programs": rows, "updates": updates, "floors": floors, "agreement": agreement,
        **machine,
    }  # fmt: skip


def floor(
    widths: tuple[int, int, int], latents: int, size: int, images: int, precision: str, machine: dict[str, Any]
) -> dict[str, float]:
    """Count operations and bytes of one step, and the fewest seconds it can take here in the four-phase form."""
    ours, plain = (layers(widths, latents, size, four_phase) for four_phase in (True, False))
    bytes_ = least_bytes(ours, images, size, 2 if precision == "bf16" else 4)
    work = operations(ours, images)
    return {
        "matrix_peak": machine["matrix_peak"][precision],
        "operations": work,
        "operations_plain": operations(plain, images),
        "bytes": bytes_,
        "seconds": floor_seconds(work, bytes_, machine["matrix_peak"][precision], machine["bandwidth"]),
    }


def row(
    turns: list[tuple[float, float]], plain: float, images: int, least: dict[str, float], is_plain: bool
) -> dict[str, Any]:
    """Return the figures of one program.

    turns   (seconds a step, share of waiting) of each
    plain   seconds a step of the plain program
    images  of a step
    least   the `floor` in its precision
    """
    seconds = statistics.median(turn[0] for turn in turns)
    work = least["operations_plain" if is_plain else "operations"]
    return {
        "seconds_a_step": seconds,
        "turns": [turn[0] for turn in turns],
        "images_per_second": images / seconds,
        "ratio_to_plain": plain / seconds,
        "share_of_matrix_peak": work / seconds / least["matrix_peak"],
        "share_of_floor": least["seconds"] / seconds,
        "input_wait": statistics.median(turn[1] for turn in turns),
        "seconds_for_12000_steps": RUN * seconds / images,
    }


def compare_curves(plain: list[float], ours: list[float]) -> dict[str, Any]:
    """Return the largest relative difference of the losses of one step, and of their averages over ten."""
    each = [abs(b - a) / abs(a) for a, b in zip(plain, ours, strict=True)]
    tens = [
        abs(sum(ours[k : k + 10]) - sum(plain[k : k + 10])) / abs(sum(plain[k : k + 10]))
        for k in range(0, len(plain), 10)
    ]
    return {"steps": len(plain), "largest": max(each), "largest_of_tens": max(tens), "plain": plain, "ours": ours}


def _show_machine(machine: dict[str, Any], floors: dict[str, dict[str, float]], images: int) -> None:
    click.echo(f"{machine['name']}: {machine['device']}, {machine['threads']} threads, PyTorch {machine['torch']}")
    click.echo(f"copy {machine['bandwidth'] / 1e9:.3g} GB/s, read and written")
    for precision, least in floors.items():
        click.echo(
            f"{precision}: matrix peak {machine['matrix_peak'][precision] / 1e12:.3g} TFLOP/s; an image takes "
            f"{least['operations'] / images / 1e9:.3g} GFLOP (plain {least['operations_plain'] / images / 1e9:.3g}) "
            f"and at least {least['bytes'] / images / 1e6:.3g} MB; floor {1e3 * least['seconds']:.3g} ms a step"
        )


def _show_rows(rows: dict[str, dict[str, Any]], cuda: bool, steps: int, widths: str) -> None:
    click.echo(f"\n{widths}, median of {TURNS} turns of {steps} steps")
    waits = f"{'input wait':>12}" * cuda
    click.echo(
        f"{'':<22}{'s/step':>10}{'images/s':>10}{'to plain':>10}{'asked':>8}{'of peak':>9}{'of floor':>10}"
        f"{'12,000 steps':>14}{waits}"
    )
    for program, found in rows.items():
        asked = f">= {found['asked']:g}" if found["asked"] else ""
        wait = f"{found['input_wait']:>12.1%}" * cuda
        click.echo(
            f"{program if program.startswith('plain') else f'ours, {program}':<22}{found['seconds_a_step']:>10.4f}"
            f"{found['images_per_second']:>10.1f}{found['ratio_to_plain']:>8.2f} x{asked:>8}"
            f"{found['share_of_matrix_peak']:>9.1%}{found['share_of_floor']:>10.1%}"
            f"{found['seconds_for_12000_steps']:>12.0f} s{wait}"
        )


def _show_updates(updates: dict[str, dict[str, float]], optimizer: str, cuda: bool) -> None:
    click.echo(f"\none update of the weights, {optimizer}: {'time' if cuda else 'CPU time'} and operations in it")
    for program, found in updates.items():
        click.echo(f"{program:<22}{1e3 * found['seconds']:>10.2f} ms{found['operations']:>10,.0f}")


def _show_agreement(agreement: dict[str, Any]) -> None:
    gradients, curves = agreement["gradients"], agreement["curves"]
    narrow = "/".join(map(str, curves["widths"]))
    click.echo(f"\ngradients of a step: largest difference of a weight's and a bias's (asked {GRADIENTS_ASKED:.0e})")
    for where, found in (("", gradients), (f", {narrow}", gradients["narrow"])):
        for pair in ("ours to plain", "plain to float64", "ours to float64", "with turned"):
            if pair in found:
                each = found[pair]
                worst = [
                    max((name for name in each if name.endswith(kind)), key=each.__getitem__)
                    for kind in ("weight", "bias")
                ]
                words = f"{found['turned']} choices turned" if pair == "with turned" else pair
                click.echo(f"  {words + where:<30}" + ", ".join(f"{each[name]:.1e} ({name})" for name in worst))
    click.echo(
        f"losses of {curves['steps']} steps, {narrow}: at most {curves['largest']:.1e} "
        f"apart (asked {CURVES_ASKED:.0e}), averages over ten steps {curves['largest_of_tens']:.1e}; "
        f"{curves['plain'][0]:.0f} to {curves['plain'][-1]:.0f} nats an image"
    )


# Operations and bytes of a training step, counted from the shapes; a multiply-add is two operations.
#
# Counted are convolutions and linear maps, forward and backward: the gradient of the weights costs as much as the way
# forward, that of the inputs as well, except in the first layer, whose inputs are images. The four-phase form has 16
# multiplications where the plain one has 49, and folds its kernels once a step. All else is a few operations a number.


@dataclass(frozen=True)
class Layer:
    """A convolution or linear map.

    products     multiply-adds an image, forward
    activations  numbers an image that it takes in
    weights      numbers, bias included
    inner        whether the gradient goes on to its inputs
    folding      multiply-adds a step to fold its kernels
    """

    products: int
    activations: int
    weights: int
    inner: bool = True
    folding: int = 0


def layers(widths: tuple[int, int, int], latents: int, size: int, four_phase: bool) -> list[Layer]:
    """List the layers of `dcign.model.paper_network.PaperDCIGN`, from the image to the logits."""
    found: list[Layer] = []
    side = size
    for inputs, outputs in pairwise((1, *widths)):
        weights = inputs * outputs * KERNEL**2
        after = side - KERNEL + 1
        found.append(Layer(weights * after**2, inputs * side**2, weights + outputs, inner=len(found) > 0))
        side = after // 2
    features = widths[2] * side**2
    found += [Layer(features * latents, features, (features + 1) * latents)] * 2
    side = (size + 90) // 16
    start = widths[2] * side**2
    found.append(Layer(latents * start, latents, (latents + 1) * start))
    for inputs, outputs in pairwise((*widths[::-1], widths[0], 1)):
        kernels, after = inputs * outputs, 2 * side - 6
        taps = FOLDED_TAPS / 4 if four_phase else TAPS
        folding = kernels * TAPS * FOLDED_TAPS if four_phase else 0
        products = int(kernels * taps) * after**2
        found.append(Layer(products, inputs * side**2, kernels * TAPS + outputs, folding=folding))
        side = after
    return found


def operations(found: list[Layer], images: int) -> int:
    """Count the operations of one step on so many images, forward and backward."""
    return sum(2 * images * layer.products * (3 if layer.inner else 2) + 4 * layer.folding for layer in found)


def least_bytes(found: list[Layer], images: int, size: int, number: int) -> int:
    """Count the bytes that one step must move even if everything between two layers is done on the fly.

    What a layer takes in is written once, read on the way forward and again for the gradient of the weights, and its
    own gradient written and read, in numbers of so many bytes; images are read three times as uint8. A weight (float32)
    is read on both ways, its gradient written and read, weight and two momenta read and written by the update.
    """
    kept = sum(layer.activations for layer in found if layer.inner) - found[3].activations  # both heads take the same
    logits = 2 * size**2  # and their gradient: written and read
    weights = sum(layer.weights for layer in found)
    return images * (number * (5 * kept + 2 * logits) + 3 * size**2) + 4 * 10 * weights


def floor_seconds(operations: int, bytes_: int, peak: float, bandwidth: float) -> float:
    """Return the shortest time for a step, s: `peak` in operations a second, `bandwidth` in bytes a second."""
    return max(operations / peak, bytes_ / bandwidth)
