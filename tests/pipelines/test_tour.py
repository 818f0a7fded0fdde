"""docs/tour.md: every command in it is run as it stands, in its order, in one folder."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from explorer_process import explored
from PIL import Image

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
SET_UP = ("git clone", "make setup", ". .venv/bin/activate")  # of the machine that runs the tests, not of these


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def blocks():
    """The commands one by one, and the Python code as a whole, in their order."""
    found, python = [], None
    for line in TOUR.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            if python is not None:
                found.append("\n".join(python))
            python = [] if line == "```python" else None
        elif python is not None:
            python.append(line)
        elif line.startswith("    ") and not line.strip().startswith(SET_UP):
            found.append(line.split(" # ")[0].strip())
    return found


def test_every_command_of_the_tour_works_as_it_stands_and_its_head_is_turned(dcign, work):
    pytest.importorskip("starlette")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("cv2")
    commands = blocks()
    assert len(commands) > 12
    for command in commands:
        if command.startswith("import dcign"):
            exec(compile(command, str(TOUR), "exec"), {})
            continue
        words = shlex.split(command)
        assert words[0] == "dcign", command
        if words[1] == "explore":
            assert "Sliders" in explored(words, work)
            continue
        code, _, err = dcign(*words[1:])
        assert code == 0, f"{command}\n{err}"
        if "-o" in words:
            made = work / words[words.index("-o") + 1]
            assert made.is_file() or any(made.iterdir()), command
        if made.name == "ann.png":  # the reader's own photograph
            with Image.open(work / "ann.png") as face:
                face.convert("RGB").resize((480, 480)).save(work / "face.png")
            photo = Image.new("RGB", (600, 800), (20, 20, 20))
            photo.paste(Image.open(work / "face.png"), (60, 90))
            photo.save(work / "me.jpg")
    # The turned head is nearer to the truth than the input is: a network that ignored its knobs would fail.
    (path,) = (work / "guess").iterdir()
    truth, guess, given = (np.asarray(Image.open(p), float) for p in (work / "truth.png", path, work / "ann.png"))
    assert np.mean((guess - truth) ** 2) < 0.6 * np.mean((given - truth) ** 2)
