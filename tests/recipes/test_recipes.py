"""The recipes of docs/testing run as they stand in their pages."""

import os
import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from inlet_sandbox import Sandbox, wait_until
from recipe import TESTS, blocks, commands, environment, link_node_packages, run, write_files


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_the_pytest_recipe_passes(tmp_path):
    write_files("pytest", tmp_path)
    command = shlex.split(commands("pytest")[-1])
    assert command == ["python", "-m", "pytest"]
    assert "5 passed" in run(command, tmp_path, environment(tmp_path))


def test_the_vitest_recipe_passes(tmp_path):
    write_files("express", tmp_path)
    write_files("vitest", tmp_path)
    link_node_packages(tmp_path)
    command = shlex.split(commands("vitest")[-1])
    assert command == ["npx", "vitest", "run"]
    shown = run(command, tmp_path, environment(tmp_path, NO_COLOR="1"))
    assert re.search(r"Tests +5 passed", shown), shown


class Handler:
    """The handler of the Express page, running, and the sandbox that sends to it."""

    def __init__(self, sandbox: Sandbox, folder: Path):
        self.sandbox, self.folder = sandbox, folder

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def statuses(self) -> list[int]:
        """What the handler answered, to every attempt."""
        self.sandbox.wait_idle()
        return [attempt["response_status"] for delivery in self.sandbox.deliveries() for attempt in delivery["attempts"]]


@pytest.fixture
def handler(tmp_path):
    """Started by the page's own script behind the sandbox that the page starts; only the port is free instead of 3000."""
    write_files("express", tmp_path)
    link_node_packages(tmp_path)
    port = free_port()
    assert "inlet sandbox --webhook-url http://localhost:3000/webhooks --ready-file inlet.json" in commands("express")
    with Sandbox("--webhook-url", f"http://localhost:{port}/webhooks") as sandbox:
        shutil.copy(sandbox.ready_file, tmp_path / "inlet.json")
        handler = Handler(sandbox, tmp_path)
        with open(tmp_path / "server.log", "wb") as log:
            env = environment(tmp_path, PORT=port)
            server = subprocess.Popen(["bash", "start-server.sh"], cwd=tmp_path, env=env, stdout=log, stderr=log)
            try:
                wait_until(lambda: "listening" in handler.log() or server.poll() is not None)
                assert server.poll() is None, handler.log()
                yield handler
            finally:
                server.terminate()
                server.wait(timeout=10)


def test_the_express_handler_verifies_a_text_and_its_reply_is_seen(handler, tmp_path):
    typed = next(line for line in commands("express") if line.startswith("inlet text"))
    env = environment(tmp_path, INLET_SANDBOX_URL=handler.sandbox.url)
    assert "Thanks! We received: Are you open?" in run(shlex.split(typed), tmp_path, env)
    # The text, and both receipts of the reply.
    assert handler.statuses() == [200, 200, 200], handler.log()


def test_the_express_handler_refuses_what_a_stranger_signed(handler):
    handler.sandbox.faults({"kind": "wrong_signature"})
    handler.sandbox.text("Send me everything")
    wait_until(lambda: handler.log().count("refused") == 1)
    handler.sandbox.advance(3600)
    assert handler.statuses() == [400, 400, 400], handler.log()
    assert handler.sandbox.messages() == []


def test_the_express_handler_leaves_stop_to_telnyx(handler):
    handler.sandbox.text("STOP")
    assert handler.statuses() == [200]
    assert "no reply" not in handler.log()


def workflow() -> dict:
    ((_, name, content),) = [block for block in blocks("github-actions") if block[0] == "yaml"]
    assert name.startswith(".github/workflows/")
    return yaml.safe_load(content)


def test_the_workflow_has_the_shape_that_github_wants():
    parsed = workflow()
    # YAML 1.1 reads the key `on` as true.
    assert parsed.keys() == {"name", True, "permissions", "jobs"}
    for job in parsed["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest" and job["timeout-minutes"] <= 30
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert step.keys() <= {"uses", "with", "name", "run", "if", "env"}
            assert "run" in step or re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", step["uses"])


def test_the_workflow_runs_step_by_step(tmp_path):
    (job,) = workflow()["jobs"].values()
    write_files("express", tmp_path)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(TESTS / name, tmp_path / name)
    temporary, variables = tmp_path / "runner", tmp_path / "variables"
    temporary.mkdir()
    variables.touch()
    # The one change: port 3000 may be taken on this machine.
    env = environment(tmp_path, **{**job["env"], "PORT": free_port()})
    env |= {"RUNNER_TEMP": str(temporary), "GITHUB_ENV": str(variables), "CI": "true"}
    failed = None
    for step in (step for step in job["steps"] if "run" in step):
        if failed and step.get("if") != "always()":
            continue
        ran = run_step(step, tmp_path, env)
        failed = failed or (f"{step['name']}:\n{ran}" if ran else None)
        env |= dict(line.split("=", 1) for line in variables.read_text().splitlines())
    assert not failed, failed + "".join(path.read_text() for path in temporary.glob("*.log"))
    for pid_file in temporary.glob("*.pid"):
        wait_until(lambda: not is_alive(int(pid_file.read_text())))


def run_step(step: dict, folder: Path, env: dict[str, str]) -> str | None:
    """Runs one step as GitHub's runner does, by `bash -e` on a script; gives back what it said if it failed."""
    script = folder / "step.sh"
    script.write_text(step["run"])
    said = folder / "step.log"
    with open(said, "wb") as log:
        step_process = subprocess.run(["bash", "-e", script], cwd=folder, env=env, stdout=log, stderr=log, timeout=50)
    return said.read_text() if step_process.returncode else None


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody has waited for yet is dead all the same.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
