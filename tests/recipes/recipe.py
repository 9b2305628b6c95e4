"""Takes a page of docs/testing apart and runs what it says, as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

from inlet_sandbox import ROOT, binary

TESTS = ROOT / "tests"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


def blocks(page: str) -> list[tuple[str, str | None, str]]:
    """Every code block of a page: language, file name if it has one, content."""
    return FENCE.findall((ROOT / "docs" / "testing" / f"{page}.md").read_text())


def write_files(page: str, folder: Path):
    """Writes the page's named blocks as the files they are."""
    for _, name, content in blocks(page):
        if name:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


def commands(page: str) -> list[str]:
    """The commands a page tells a person to type."""
    text = "\n".join(content for language, _, content in blocks(page) if language == "console")
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a stranger's shell has: `inlet` and the tools on the PATH, and no settings."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "inlet").exists():
        (tools / "inlet").symlink_to(Path(binary()).resolve())
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}


def link_node_packages(folder: Path):
    (folder / "node_modules").symlink_to((TESTS / "node_modules").resolve())


def run(command: list[str], folder: Path, env: dict[str, str], within: float = 50) -> str:
    """Runs a command to its end; what it started and left behind fails the test by its bound."""
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=within)
    assert ran.returncode == 0, f"{command} ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout
