"""The services' own descriptions: valid, short in names, good enough to make clients of."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from deploy.stack import SERVICES, Stack
from shared.roles import Role
from tests.integration.desk import eventually

GAS = "我们保山南里3号楼楼道里一股煤气味儿"
LONGEST_NAME = 30


@pytest.fixture(scope="module")
def described(stack: Stack) -> Mapping[str, Mapping[str, Any]]:
    """What each service says of itself."""
    return {
        name: httpx2.get(f"{stack.address(name)}/openapi.json").raise_for_status().json()
        for name in SERVICES
    }


@pytest.fixture(scope="module")
def clients(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, ModuleType]]:
    """A Python client of each service, made from its description by a stranger's tool."""
    folder = tmp_path_factory.mktemp("clients")
    for name in SERVICES:
        command = [
            sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none",
            "--url", f"{stack.address(name)}/openapi.json",
            "--output-path", str(folder / f"generated_{name}"),
        ]  # fmt: skip
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "WARNING" not in made.stdout + made.stderr, made.stdout
    sys.path.insert(0, str(folder))
    yield {name: importlib.import_module(f"generated_{name}") for name in SERVICES}
    sys.path.remove(str(folder))
    shutil.rmtree(folder)


@pytest.mark.parametrize("service", SERVICES)
def test_a_description_is_valid_and_every_operation_is_named(
    described: Mapping[str, Mapping[str, Any]], service: str
) -> None:
    document = described[service]
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    operations = [each for path in document["paths"].values() for each in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert [name for name in ids if not re.fullmatch(rf"[a-z_]{{1,{LONGEST_NAME}}}", name)] == []
    assert [each for each in operations if not (each.get("tags") and each.get("description"))] == []


def test_a_made_client_walks_a_ticket_to_its_unit(
    stack: Stack, clients: Mapping[str, ModuleType]
) -> None:
    with ExitStack() as opened:

        def client(service: str, role: Role, unit: str | None = None) -> Any:
            token = stack.token(role, unit=unit, name="生成的客户端")
            made = clients[service].AuthenticatedClient(stack.address(service), token)
            return opened.enter_context(made)

        def called(service: str, path: str) -> Any:
            return importlib.import_module(f"generated_{service}.{path}")

        submission = called("intake", "models").Submission(text=GAS)
        submit = called("intake", "api.tickets.submit")
        taken = submit.sync(client=client("intake", Role.OPERATOR), body=submission)
        unit = client("router", Role.UNIT, "gas-heat")
        queue = called("router", "api.queues.queue")

        def waiting() -> Any:
            page = queue.sync("gas-heat", client=unit)
            return next((item for item in page.items if item.number == taken.number), None)

        item = eventually(waiting)
        accept = called("router", "api.cases.case_accept")
        acting = called("router", "models").Acting()
        shown = accept.sync(item.number, client=unit, body=acting)
    assert shown.case.state == "accepted"
