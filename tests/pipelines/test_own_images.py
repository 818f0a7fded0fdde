"""docs/images.md: every command in it is run in its order, in one folder, with fewer and smaller images and steps."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from explorer_process import explored

from render.shards.data_set import open_splits

PAGE = Path(__file__).parents[2] / "docs" / "images.md"
SMALLER = {"--n 12 --batch-size 30": "--n 5 --batch-size 12 --workers 1", "24/16/8": "4/3/2",
           "--steps 1500": "--steps 2", "0:330:12": "0:270:4"}  # fmt: skip


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def commands():
    """The lines that are indented as commands, one by one, each smaller."""
    text = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not [words for words in SMALLER if words not in text]
    for words, fewer in SMALLER.items():
        text = text.replace(words, fewer)
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_every_command_of_the_page_works_and_the_shards_come_back(dcign, work):
    pytest.importorskip("starlette")
    found = commands()
    assert len(found) == 12
    for command in found:
        words = shlex.split(command)
        if words[:2] == ["dcign", "explore"]:
            assert "Sliders" in explored(words, work)
        elif words[0] == "dcign":
            code, out, err = dcign(*words[1:])
            assert code == 0, f"{command}\n{err}"
            if words[1:3] == ["import", "images"] and "-o shards" in command:
                assert "identities for training: 3, for testing: 2" in out
        else:
            subprocess.run(command, shell=True, cwd=work, check=True)
    assert (work / "run" / "report.html").is_file()
    assert [data.factors for data in open_splits(work / "shards")] == [("azimuth", "intrinsic")] * 2
    assert [path.read_bytes() for path in sorted((work / "shards").glob("*.npz"))] == [
        path.read_bytes() for path in sorted((work / "again").glob("*.npz"))
    ]
