"""`dcign explore` in a process of its own, for tests that run the commands of a document."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request


def explored(words, folder) -> str:
    """What the explorer's page is, once it runs; it ends by Ctrl-C. It does without true heads.

    These would be reduced by comparing hundreds of images, which is tested elsewhere.
    """
    code = "import render.level_of_detail as detail; detail.LADDER = (); from pipelines.cli import main; main()"
    start = [sys.executable, "-c", code, *words[1:], "--port", "0"]
    with subprocess.Popen(start, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stdout.readline, "")
            address = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
            with urllib.request.urlopen(address, timeout=30) as answer:
                page = answer.read().decode()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    return page
