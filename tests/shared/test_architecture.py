"""Import direction: services apart, domain modules free of frameworks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = {
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "sqlmodel",
    "psycopg",
    "alembic",
    "kafka",
    "typer",
    "prometheus_client",
    "httpx",
    "structlog",
}
PURE = (
    *("events", "calendar", "erasing", "folding", "hearing", "names", "personal_numbers"),
    *("protection", "redaction", "text"),
)
VOCABULARY = {f"shared.{name}" for name in (*PURE, "taxonomy", "dangers", "roles", "discretion")}
"""What a domain module may know of the shared code: vocabulary, calendar, and what is pure."""
DOMAIN = [
    "services.intake.tickets",
    *(f"services.classifier.{name}" for name in ("normalise", "speech", "rules", "demands")),
    *(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "services/router/domain").rglob("*.py"))
        if path.name != "__init__.py"
    ),
    *(f"shared.{name}" for name in PURE),
]
"""Of the router everything in its folder `domain`, whatever is added there."""


def imported(module: str) -> set[str]:
    """Every module that this one imports, by its full name."""
    tree = ast.parse(file_of(module).read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name for name in inside if file_of(name).exists()} or {node.module}
    return names


def file_of(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


def reachable(module: str) -> set[str]:
    """All that a module imports, and what the project's modules among these import."""
    found: set[str] = set()
    waiting = {module}
    while waiting:
        fresh = imported(waiting.pop()) - found
        found |= fresh
        waiting |= {name for name in fresh if file_of(name).exists()}
    return found


def test_services_stay_apart_and_shared_knows_none_of_them() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", DOMAIN)
def test_a_domain_module_knows_no_framework_not_even_through_another(module: str) -> None:
    assert {name for name in reachable(module) if name.partition(".")[0] in FRAMEWORKS} == set()


@pytest.mark.parametrize("module", DOMAIN)
def test_a_domain_module_knows_of_the_project_only_its_vocabulary_and_its_own(module: str) -> None:
    own = ".".join(module.split(".")[: 1 if module.startswith("shared.") else 2])
    project = {
        name for name in imported(module) if name.partition(".")[0] in {"services", "shared"}
    }
    assert {name for name in project - VOCABULARY if not name.startswith(f"{own}.")} == set()


@pytest.mark.parametrize("module", DOMAIN)
def test_a_domain_module_reads_no_clock(module: str) -> None:
    tree = ast.parse(file_of(module).read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls & {"datetime.now", "datetime.utcnow", "date.today", "time.time"} == set()
