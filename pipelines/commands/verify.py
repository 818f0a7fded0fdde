"""`dcign verify`: rehashes and rechecks shards, and names what is bad."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from pipelines.console import counted, printable, progress_bar
from render.errors import ShardError


@click.command()
@click.argument("shards", type=click.Path(path_type=Path))
def command(shards: Path) -> None:
    """Recheck every shard of the folder SHARDS: size, sha256, types, shapes, and that only its factor varies.

    Exit code 0 if all is well; 2 if anything is bad, each fault on a line of its own.

    \b
    Example:
      dcign verify shards/
    """
    from render.shards.manifest import read_manifest
    from render.shards.verification import unknown_files, verify_shard

    manifest = read_manifest(shards)
    faults = unknown_files(shards, manifest)
    with progress_bar("verify", sum(e.bytes for e in manifest.shards.values()), "B", unit_scale=True) as bar:
        for name, entry in sorted(manifest.shards.items()):
            faults += verify_shard(shards, name, entry, manifest.settings)
            bar.update(entry.bytes)
    for fault in faults:
        click.echo(f"BAD  {printable(fault)}")
    counts: Counter[str] = Counter()
    for entry in manifest.shards.values():
        counts[f"{entry.factor} ({entry.split})"] += entry.count
    if faults:
        maker = "import" if manifest.settings["renderer"] == "imported" else "render"
        raise ShardError(f"{shards}: {counted(len(faults), 'fault')}; `dcign {maker}` repairs shards")
    if not counts:
        raise ShardError(f"{shards}: expected finished shards, found none; run `dcign render` again")
    listing = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    click.echo(f"{shards}: {len(manifest.shards)} shards are good. Mini-batches: {listing}.")
