"""scripts/setup on machines that lack things: stand-ins for python, apt-get and id, and no network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VENV = f"python3.{sys.version_info.minor}-venv"
GL = "libegl1 libgl1 libgl1-mesa-dri"

CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
TORCH = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))

# A Python that logs what it is asked to do, lacks what LACKS names, and otherwise plays along without doing it.
PYTHON = f"""#!/bin/sh
case "$*" in
    *version_info*) exec "{sys.executable}" -c "import sys; sys.version_info = ${{VERSION:-sys.version_info}}; $2" ;;
    *ensurepip*) case "$LACKS" in *venv*) exit 1 ;; esac ;;
    *CDLL*) case "$LACKS" in *gl*) exit 1 ;; esac ;;
    *gl_info*) case "$LACKS" in *driver*) exit 1 ;; esac; echo "a renderer" ;;
    *find_spec*torch*) [ -e .venv/torch ] ;;
    "-m venv "*) echo venv >>"$LOG"; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    "-m pip install"*--index-url*)
        echo "$*" | sed "s/.*--index-url/pip/" >>"$LOG"; [ "$LACKS" != index ] && touch .venv/torch ;;
    "-m pip install"*) echo pip >>"$LOG"; [ "$LACKS" != network ] && touch .venv/torch ;;
    "-m pip --version") case "$LACKS" in *pip*) exit 1 ;; esac ;;
    --version) echo "Python 3.x" ;;
esac
"""


class Machine:
    """A folder with spaces that holds the checkout, and a PATH of stand-ins."""

    def __init__(self, folder):
        self.home, self.bin, self.log = folder / "my work" / "dcign", folder / "bin", folder / "log"
        (self.home / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("scripts/setup", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.home / name)
        for name in ("python3", *(f"python3.{minor}" for minor in range(10, 15))):
            self.stand_in(name, PYTHON)
        self.stand_in("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$LOG"\n')
        self.stand_in("dpkg", "#!/bin/sh\nexit 1\n")
        self.user(0)

    def stand_in(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def user(self, number):
        self.stand_in("id", f"#!/bin/sh\necho {number}\n")

    def setup(self, lacks="", **variables):
        """Run it from elsewhere; returns (exit code, all output, what was done)."""
        self.log.write_text("")
        done = subprocess.run(
            [self.home / "scripts" / "setup"], capture_output=True, text=True, cwd="/",
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "LOG": str(self.log), "LACKS": lacks, "HOME": os.environ["HOME"],
                 **variables},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr, self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_good_machine_needs_no_apt_and_the_second_run_does_nothing(machine):
    code, said, done = machine.setup()
    assert (code, done) == (0, ["venv", "pip"])
    assert "ready (OpenGL: a renderer)" in said
    assert machine.setup() == (0, "", [])


def test_without_root_the_exact_line_is_printed_and_nothing_is_made(machine):
    machine.user(1000)
    code, said, done = machine.setup(lacks="venv gl")
    assert (code, done) == (2, [])
    assert f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {VENV} {GL}\n" in said
    assert not (machine.home / ".venv").exists()


def test_root_installs_only_what_is_missing(machine):
    code, _, done = machine.setup(lacks="gl")
    assert code == 0
    assert done[:2] == ["apt-get update -qq", f"apt-get install -y -qq --no-install-recommends {GL}"]


def test_a_python_that_apt_cannot_mend_is_named(machine):
    code, said, done = machine.setup(lacks="venv")
    assert (code, len(done)) == (1, 2)
    assert "still lacks ensurepip" in said


def test_libraries_without_a_driver_are_completed(machine):
    code, said, done = machine.setup(lacks="driver")
    assert code == 1
    assert done == ["venv", "pip", "apt-get update -qq", f"apt-get install -y -qq --no-install-recommends {GL}"]
    assert "dcign doctor" in said


@pytest.mark.parametrize("version", [(3, 9, 25), (3, 15, 0)])
def test_a_python_that_is_not_supported_is_told_what_to_do_in_one_line(machine, version):
    code, said, done = machine.setup(VERSION=str(version))
    assert (code, done) == (2, [])
    assert "Python 3.10 to 3.14 is needed, found Python 3.x: put another beside it" in said
    assert "python3.13" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 14, 8)])
def test_the_oldest_and_the_newest_supported_python_are_taken(machine, version):
    assert machine.setup(VERSION=str(version))[::2] == (0, ["venv", "pip"])


def test_the_size_is_said_before_anything_is_made_with_the_lines_that_avoid_it(machine):
    code, said, _ = machine.setup()
    assert code == 0
    told, made = said.index("5.9 GB"), said.index("making .venv")
    assert told < made
    if not Path("/dev/nvidiactl").exists():
        assert f"\n    export TORCH_INDEX={CPU_BUILDS}\n    make setup\n" in said[told:made]


def test_another_index_gives_torch_alone_and_is_asked_once(machine):
    code, said, done = machine.setup(TORCH_INDEX=CPU_BUILDS)
    assert (code, done) == (0, ["venv", f"pip {CPU_BUILDS} {TORCH}", "pip"])
    assert "5.9 GB" not in said
    assert machine.setup(TORCH_INDEX=CPU_BUILDS) == (0, "", [])
    assert machine.setup() == (0, "", [])


def test_an_index_that_does_not_answer_is_named_and_can_be_left_out(machine):
    code, said, done = machine.setup(lacks="index", TORCH_INDEX="https://nowhere.example/")
    assert (code, done) == (1, ["venv", f"pip https://nowhere.example/ {TORCH}"])
    assert "https://nowhere.example/" in said
    assert machine.setup()[::2] == (0, ["pip"])


def test_torch_that_is_there_is_kept_whatever_the_index(machine):
    machine.setup()
    code, said, done = machine.setup(TORCH_INDEX=CPU_BUILDS)
    assert (code, done) == (0, [])
    assert "remove .venv" in said


def test_changed_pins_are_installed_into_the_same_environment(machine):
    machine.setup()
    with open(machine.home / "constraints.txt", "a") as pins:
        pins.write("# raised\n")
    assert machine.setup()[2] == ["pip"]


def test_a_failed_download_goes_on_in_the_same_environment(machine):
    code, said, _ = machine.setup(lacks="network")
    assert code == 1
    assert "run the same command again" in said
    assert machine.setup()[::2] == (0, ["pip"])


@pytest.mark.parametrize("how", ["interrupted", "moved", "no pip"])
def test_an_environment_that_cannot_be_trusted_is_made_anew(machine, how):
    machine.setup()
    state, lacks = machine.home / ".venv" / ".setup", ""
    if how == "interrupted":
        state.write_text("unfinished\n")
    elif how == "moved":
        machine.home = machine.home.rename(machine.home.with_name("elsewhere"))
    else:
        state.unlink()
        lacks = "pip"
    code, said, done = machine.setup(lacks)
    assert (code, done) == (0, ["venv", "pip"])
    assert "anew" in said


def test_an_environment_made_by_hand_is_kept(machine):
    (machine.home / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(machine.bin / "python3", machine.home / ".venv" / "bin" / "python")
    assert machine.setup()[::2] == (0, ["pip"])


def test_the_workflow_file_installs_what_set_up_would_ask_for_and_calls_the_one_script():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert f"apt-get install -y --no-install-recommends {GL}\n" in workflow
    assert f"TORCH_INDEX: {CPU_BUILDS} " in workflow
    assert "run: bash .ci/run\n" in workflow
    assert f'GL_PACKAGES="{GL}"\n' in (ROOT / "scripts/setup").read_text()
