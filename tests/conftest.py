"""Makes the shared fixture modules importable under pytest's importlib mode; caches of the tests' own; `dcign`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def a_cache_of_the_tests(tmp_path_factory):
    """One for all tests and the processes they start; that of whoever runs them is neither used nor filled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def one_thread():
    """Compute on one thread, see `threads`."""
    import threads  # torch, from here on

    with threads.one_thread():
        yield


@pytest.fixture
def dcign(request, monkeypatch):
    """Runs `dcign WORDS` inside the folder of the module's fixture `work`; returns (exit code, stdout, stderr)."""
    import command

    monkeypatch.chdir(request.getfixturevalue("work"))
    return command.dcign
