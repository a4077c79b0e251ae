"""The Makefile sets up an environment, or says what is wrong with the one it finds; a stand-in for Python runs."""

import os
import subprocess
import sys

import pytest

from companion.pages import render

# It answers as the Python of an environment would: `have` is a folder with one file for each module that is installed.
PYTHON = """#!/bin/sh
echo "$*, PIP_USER=$PIP_USER, PIP_TARGET=$PIP_TARGET" >> "$LOG"
have=$(dirname "$0")/have
case "$*" in
    "-m uv --version") test -e $have/uv ;;
    "-m pip --version") test -e $have/pip ;;
    "-m ensurepip"*) test -e $have/ensurepip && touch $have/pip ;;
    "-m pip install"*) test -e $have/pip && touch $have/uv ;;
    "-m uv pip install"*) cat > /dev/null; test -e $have/uv && touch $have/l2h ;;
    *) exit 1 ;;
esac
"""


@pytest.fixture
def environment(tmp_path):
    """A folder that looks like an environment without any module."""
    (tmp_path / "env" / "bin" / "have").mkdir(parents=True)
    python = tmp_path / "env" / "bin" / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return tmp_path / "env"


def make(environment, *, target="{}/.ready", **variables):
    command = ["make", "-C", str(render.ROOT), f"VENV={environment}", f"PYTHON={sys.executable}"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PIP_"))}
    return subprocess.run(
        [*command, target.format(environment)],
        env=inherited | {"LOG": str(environment.parent / "log")} | variables,
        capture_output=True,
        text=True,
    )


def has(environment, *modules):
    for module in modules:
        (environment / "bin" / "have" / module).touch()


def asked(environment):
    """What the environment's Python was asked to do."""
    return (environment.parent / "log").read_text().splitlines()


def test_an_environment_without_pip_gets_it(environment):
    has(environment, "ensurepip")
    done = make(environment)
    assert done.returncode == 0, done.stderr
    assert (environment / "bin" / "have" / "l2h").exists() and (environment / ".ready").exists()


def test_an_environment_that_cannot_get_pip_is_named_with_the_remedy_each_time_until_it_can(environment):
    for _ in range(2):
        done = make(environment)
        assert done.returncode and not (environment / ".ready").exists()
        assert f"delete {environment}" in done.stderr and "python3-venv" in done.stderr
    has(environment, "ensurepip")
    assert make(environment).returncode == 0


@pytest.mark.parametrize("module", ["pip", "uv"])
def test_an_environment_with_an_installer_is_used_as_it_is(environment, module):
    has(environment, module)
    done = make(environment)
    assert done.returncode == 0, done.stderr
    assert not any("ensurepip" in line for line in asked(environment))


def test_settings_of_pip_in_the_shell_do_not_lead_out_of_the_environment(environment, tmp_path):
    has(environment, "pip")
    done = make(environment, PIP_USER="1", PIP_TARGET=str(tmp_path / "elsewhere"))
    assert done.returncode == 0, done.stderr
    installs = [line for line in asked(environment) if "pip install" in line]
    assert len(installs) == 2 and all(line.endswith(", PIP_USER=0, PIP_TARGET=") for line in installs)


@pytest.mark.parametrize("target", ["{}/.ready", "html"])
def test_an_environment_whose_python_is_gone_is_named_with_the_remedy(environment, tmp_path, target):
    has(environment, "pip", "uv")
    assert make(environment).returncode == 0  # so that nothing is left to set up
    (environment / "bin" / "python").unlink()
    (environment / "bin" / "python").symlink_to(tmp_path / "python3.10")
    done = make(environment, target=target)
    assert done.returncode and f"delete {environment}" in done.stderr
    assert "not found" not in done.stdout + done.stderr


def test_a_sound_environment_is_not_set_up_again(environment):
    has(environment, "pip", "uv")
    assert make(environment).returncode == 0
    before = asked(environment)
    assert make(environment).returncode == 0
    assert asked(environment) == before
