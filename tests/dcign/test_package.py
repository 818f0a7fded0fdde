"""`import dcign` is light and offers what a notebook needs."""

import subprocess
import sys
from importlib import metadata

import pytest

import dcign as package


def test_the_version_is_that_of_the_installed_package_or_says_that_there_is_none(monkeypatch):
    assert package.__version__ == metadata.version("dcign")
    assert "__version__" in dir(package)

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert package.__version__ == package.NOT_INSTALLED


@pytest.mark.parametrize(
    "module",
    [
        "dcign",
        "dcign.config",
        "dcign.runs.shipped",
        "dcign.report.saved",
        "dcign.report.pages",
        "dcign.evaluation.metrics.angles",
    ],
)
def test_settings_reports_and_metrics_load_no_torch(module):
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_training_loads_no_evaluation_but_metrics():
    code = "import sys, dcign.training.loop; print(*(n for n in sys.modules if n.startswith('dcign.evaluation.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = [name for name in done.stdout.split() if not name.startswith("dcign.evaluation.metrics")]
    assert (loaded, done.returncode) == ([], 0), done.stderr
