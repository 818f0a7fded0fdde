"""`dcign doctor`: says what this machine has, if rendering and training can run on it, and what to install if not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import click

from render import egl
from render.egl import GL_PACKAGES

GIB = 2**30
APT_LINE = f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(GL_PACKAGES)}"
PIP_LINE = "make setup, or: pip install -c constraints.txt -e ."


@click.command(context_settings={"show_default": True})
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Say what this machine has for rendering and training, and what to install where something is missing.

    Exit code 0 when both can run, 1 otherwise. OpenGL and torch are asked in processes of their own, so a driver that
    crashes is reported like any other fault. EGL_DEVICE_ID picks the device that `dcign render` draws on.

    \b
    Example:
      dcign doctor
      dcign doctor --json
    """
    facts = examine()
    problems = find_problems(facts)
    ready = not any(problem["fatal"] for problem in problems)
    if as_json:
        click.echo(json.dumps({**facts, "problems": problems, "ready": ready}, indent=2))
    else:
        for topic, text in table(facts):
            click.echo(textwrap.fill(text, 120, initial_indent=f"{topic:14s}", subsequent_indent=" " * 14))
        click.echo()
        for problem in problems:
            click.echo(f"{'Problem' if problem['fatal'] else 'Warning'}: {problem['what']}")
            click.echo(f"  Remedy: {problem['remedy']}")
        click.echo("Rendering and training can run here." if ready else "Not ready: see the remedies above.")
    context.exit(0 if ready else 1)


def examine() -> dict[str, Any]:
    """Gather all that is found, as plain data. What cannot be found out is {"error": why}."""
    here = Path.cwd()
    return {
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "platform": {"system": platform.platform(), "machine": platform.machine()},
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        "disk": {"folder": str(here), "free_gib": round(shutil.disk_usage(here).free / GIB, 1)},
        "packages": package_versions(),
        "torch": in_own_process("torch_facts"),
        "nvidia_driver": egl.nvidia_driver(),
        "nvidia_egl": egl.nvidia_egl(),
        "egl_devices": in_own_process("egl.egl_devices"),
        "gl": in_own_process("gl_facts"),
    }


def package_versions() -> dict[str, str | None]:
    """Find the installed version of each unconditional dependency of dcign, and of PyOpenGL; None if it is missing."""
    required = [line for line in requirements() if ";" not in line]
    versions: dict[str, str | None] = {}
    for name in [*re.findall(r"^[\w.-]+", "\n".join(required), re.MULTILINE), "PyOpenGL"]:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def requirements() -> list[str]:
    """Return what dcign requires, a package a line: as installed, or by `pyproject.toml` in a tree that is not."""
    try:
        return importlib.metadata.requires("dcign") or []
    except importlib.metadata.PackageNotFoundError:
        project = Path(__file__).parents[2] / "pyproject.toml"
        text = project.read_text() if project.is_file() else ""
        listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)  # Python 3.10 reads no TOML
        return re.findall(r'"(.+)"', listed[1]) if listed else []


def torch_facts() -> dict[str, Any]:
    """Find torch's version, CUDA devices and threads, and if bf16 is computed natively. Imports torch."""
    import torch

    from dcign.model.devices import has_native_bf16

    devices = []
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        devices.append({"name": found.name, "memory_gib": round(found.total_memory / GIB, 1)})
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "devices": devices,
        "threads": torch.get_num_threads(),
        "native_bf16": has_native_bf16(torch.device("cuda" if devices else "cpu")),
    }


def gl_facts() -> dict[str, str]:
    """Find vendor, renderer and version of a context like the one that `dcign render` draws in."""
    from render.errors import Failure

    try:
        from render.opengl.context import gl_info

        return gl_info()
    except Failure as failure:  # its remedy is given below, once
        raise failure.__cause__ or failure from None


def in_own_process(function: str, timeout: float = 120) -> Any:
    """Call a function of this module in a fresh Python; returns its answer, or {"error": why} if that fails."""
    code = f"import json; from pipelines.commands import doctor; print('\\n' + json.dumps(doctor.{function}()))"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"no answer in {timeout:g} seconds"}
    if done.returncode < 0:
        return {"error": f"crashed with {signal.Signals(-done.returncode).name}"}
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return {"error": said[-1].strip() if said else f"exit code {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def find_problems(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """List what is wrong and what to do: fatal where rendering or training cannot run."""
    problems: list[dict[str, Any]] = []

    def add(fatal: bool, what: str, remedy: str) -> None:
        problems.append({"fatal": fatal, "what": what, "remedy": remedy})

    missing = [name for name, version in facts["packages"].items() if version is None]
    if missing:
        add(True, f"packages are not installed: {', '.join(missing)}", PIP_LINE)
    torch, gl, driver = facts["torch"], facts["gl"], facts["nvidia_driver"]
    if "error" in torch and "torch" not in missing:
        add(True, f"torch does not work: {torch['error']}", f"reinstall it ({PIP_LINE})")
    if "error" in gl and "moderngl" not in missing:
        add(True, f"no OpenGL context: {gl['error']}", _gl_remedy(facts))
    if driver and torch.get("devices") == []:
        built = f"built for CUDA {torch['cuda']}" if torch["cuda"] else "a CPU build"
        add(False, f"an NVIDIA driver is loaded, but torch ({built}) sees no GPU",
            "install the torch build that fits the driver; see pytorch.org/get-started")  # fmt: skip
    if driver and "llvmpipe" in gl.get("renderer", ""):
        add(
            False,
            "rendering runs on the CPU (llvmpipe) although an NVIDIA GPU exists",
            egl.nvidia_remedy(facts["nvidia_egl"], facts["egl_devices"]),
        )
    return problems


def _gl_remedy(facts: dict[str, Any]) -> str:
    """Return the remedy where no OpenGL context can be had: what was set by hand is suspected first."""
    chosen = os.environ.get("EGL_DEVICE_ID")
    if chosen is not None:
        return f"unset EGL_DEVICE_ID (it is {chosen}), or: {APT_LINE}"
    if said := egl.overrides(os.environ):
        return f"{said}, or: {APT_LINE}"
    if facts["nvidia_driver"] and not facts["nvidia_egl"]["vendor_file"]:
        return f"{egl.nvidia_remedy(facts['nvidia_egl'], facts['egl_devices'])}; or, to render on the CPU: {APT_LINE}"
    return APT_LINE


def table(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Set the facts in (topic, text) rows."""
    rows = [
        ("Python", f"{facts['python']['version']}, {facts['python']['executable']}"),
        ("Platform", facts["platform"]["system"]),
        ("Cores", f"{facts['cores']} usable"),
        ("Memory", f"{facts['memory_gib']} GiB"),
        ("Disk", f"{facts['disk']['free_gib']} GiB free in {facts['disk']['folder']}"),
        ("Packages", ", ".join(f"{name} {version or 'MISSING'}" for name, version in facts["packages"].items())),
        ("NVIDIA driver", facts["nvidia_driver"] or "none"),
        ("torch", _torch_row(facts["torch"])),
    ]
    devices = facts["egl_devices"]
    if isinstance(devices, dict):
        rows.append(("EGL devices", devices["error"]))
    for device in devices if isinstance(devices, list) else []:
        kind = "software" if device["software"] else device["file"] or "unnamed"
        cuda = "" if device["cuda"] is None else f", CUDA device {device['cuda']}"
        rows.append((f"EGL device {device['index']}", kind + cuda))
    gl = facts["gl"]
    rows.append(("OpenGL", gl.get("error") or f"{gl['renderer']}, {gl['version']}, by {gl['vendor']}"))
    return rows


def _torch_row(torch: dict[str, Any]) -> str:
    if "error" in torch:
        return str(torch["error"])
    bf16 = "native bf16" if torch["native_bf16"] else "no native bf16"
    devices = [f"{device['name']} ({device['memory_gib']} GiB)" for device in torch["devices"]]
    return f"{torch['version']}, {', '.join(devices) or 'no CUDA device'}, {torch['threads']} CPU threads, {bf16}"
