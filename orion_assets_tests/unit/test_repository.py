"""The repository's own promises: what CI runs, what is locked, what is switched off, what starts."""

import ast
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_ci_runs_the_test_command_that_the_readme_names():
    readme_commands = re.findall(r"^\s*\$?\s*(make test)\b", (ROOT / "README.md").read_text(), re.MULTILINE)
    script = ROOT / ".ci" / "run"

    assert readme_commands
    assert script.read_text().splitlines()[-1] == readme_commands[0]
    assert os.access(script, os.X_OK)


def test_the_newest_version_in_the_changelog_is_the_projects():
    versions = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert versions[0] == PROJECT["project"]["version"]


def test_the_lock_holds_hashes_and_no_hosts():
    lock = (ROOT / "requirements.lock").read_text()
    requirements = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]

    assert len(requirements) > 100
    assert [requirement for requirement in requirements if "--hash=sha256:" not in requirement] == []
    assert re.findall(r"://|--index-url|--extra-index|--find-links", lock) == []


def test_every_make_target_is_explained_by_make_help():
    declared = re.search(r"^\.PHONY: (.*?)[^\\]\n", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL)
    targets = {name for name in re.findall(r"[\w-]+", declared[0]) if not name.startswith(("PHONY", "check-"))}

    command = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(re.findall(r"^  make (\S+) +\S", shown.stdout, re.MULTILINE)) == targets


def test_real_2014_names_the_variable_that_it_misses():
    environment = {name: value for name, value in os.environ.items() if name != "EXAMPLE_DATA"}
    made = ("--assume-old=.venv/.ready", "--assume-old=.dagster/dagster.yaml")
    command = ["make", "--no-print-directory", *made, "real-2014"]

    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert refused.returncode != 0
    assert "EXAMPLE_DATA is not set" in refused.stderr


def test_the_bootstrap_can_be_read_by_a_python_that_is_too_old():
    ast.parse((ROOT / "scripts" / "bootstrap").read_text(), feature_version=(3, 6))


def test_telemetry_is_off_wherever_it_has_a_switch():
    deployed = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())

    assert deployed["telemetry"] == {"enabled": False}
    assert PROJECT["tool"]["dg"]["cli"]["telemetry"] == {"enabled": False}


def test_dagsters_postgres_names_its_driver():
    deployed = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())

    assert deployed["storage"]["postgres"]["postgres_db"]["scheme"] == "postgresql+psycopg2"


@pytest.fixture
def services() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_the_stack_has_every_service_and_each_says_when_it_is_healthy(services):
    assert set(services) == {"webserver", "daemon", "code", "postgres", "s3"}
    assert [name for name, service in services.items() if "healthcheck" not in service] == []


def test_no_service_listens_beyond_this_machine(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_workspace_and_dg_load_the_same_module():
    module = PROJECT["tool"]["dg"]["project"]["code_location_target_module"]

    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())

    assert workspace["load_from"] == [{"python_module": module}]
