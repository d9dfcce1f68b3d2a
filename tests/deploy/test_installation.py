"""The files that put hotline into service: sound by their schemas, and true of this code."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fastapi import FastAPI

from deploy.first_secrets import main as make_secrets
from services.classifier.api import router as classifier_router
from services.classifier.service import CLASSIFIER
from services.intake.service import INTAKE
from services.intake.service import routes as intake_routes
from services.router.service import ROUTER
from shared.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: Mapping[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
KUBERNETES: Sequence[Mapping[str, Any]] = [
    resource
    for path in sorted((DEPLOY / "kubernetes").rglob("*.yaml"))
    if path.stem != "kustomization"
    for resource in yaml.safe_load_all(path.read_text())
]
WORKLOADS = [each for each in KUBERNETES if each["kind"] in ("Deployment", "Job")]
UNITS = sorted((DEPLOY / "systemd").glob("hotline*"))


def named(resource: Mapping[str, Any]) -> str:
    """How a resource is called in the name of a test."""
    return f"{resource['kind']}-{resource['metadata']['name']}"


VARIABLES = {
    str(field.validation_alias or f"HOTLINE_{name.upper()}")
    for name, field in Settings.model_fields.items()
} | {"HOTLINE_SECRETS"}


def test_compose_keeps_to_its_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_bounded_watched_and_pinned(name: str) -> None:
    service = SERVICES[name]
    assert "mem_limit" in service
    assert "max-size" in service["logging"]["options"]
    assert re.search(r":[v\d]", service["image"]) or "build" in service
    assert "latest" not in service["image"]
    if name != "migrate":
        assert "healthcheck" in service
        assert service["restart"] == "unless-stopped"
    assert bool(service.get("ports")) == (name == "proxy"), "only the proxy is reached"


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if "build" in one])
def test_a_container_of_ours_has_no_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert set(service["environment"]) <= VARIABLES
    assert {secret.upper() for secret in service["secrets"]} <= VARIABLES
    assert not any("password" in str(value).lower() for value in service["environment"].values())


def test_every_process_of_every_service_runs() -> None:
    ran = {tuple(one["command"]) for one in SERVICES.values() if "build" in one}
    for service in (INTAKE, CLASSIFIER, ROUTER):
        assert {(f"services.{service.name}", side) for side in ("api", "worker")} <= ran
    assert ("services.desk", "api") in ran


def test_prometheus_asks_every_process_where_it_listens() -> None:
    settings = Settings()
    config = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    asked = set(job["static_configs"][0]["targets"])
    expected = {f"desk:{settings.desk_port}"}
    for name in ("intake", "classifier", "router"):
        port = settings.port_of(name)
        expected |= {f"{name}-api:{port}", f"{name}-worker:{port + 100}"}
    assert asked == expected


def test_the_image_holds_what_runs_and_nothing_more() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        assert (DEPLOY.parent / source).exists(), source
    assert "--require-hashes" in text
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert re.search(r"^ARG BASE=\S+:\d+\.\d+\.\d+", text, re.MULTILINE)


def test_the_image_has_the_versions_that_were_tested() -> None:
    def pinned(path: Path) -> set[str]:
        return set(re.findall(r"^[a-z][\w.\[\],-]*==[^ \\]+", path.read_text(), re.MULTILINE))

    runs, tested = pinned(DEPLOY / "requirements.lock"), pinned(DEPLOY.parent / "requirements.lock")
    assert runs <= tested
    assert not any(line.startswith(("pytest", "playwright", "mypy")) for line in runs)


def test_secrets_are_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    make_secrets(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert set(first) == set(COMPOSE["secrets"])
    assert folder.stat().st_mode & 0o077 == 0
    said = capsys.readouterr().out
    assert not any(secret in said for secret in first.values() if secret)
    assert first["postgres_password"] in first["hotline_database_url"]


@pytest.mark.parametrize("key", ["hotline_jwt_secret", "hotline_vault_key", "hotline_webhook_key"])
def test_every_installation_gives_every_process_the_same_key(key: str) -> None:
    assert key.upper() in VARIABLES
    assert key in COMPOSE["x-hotline"]["secrets"]
    listed = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    (made,) = listed["secretGenerator"]
    assert f"../secrets/{key}" in made["files"]
    for side in ("api", "worker"):
        unit = (DEPLOY / "systemd" / f"hotline-{side}@.service").read_text()
        assert f"LoadCredential={key}:/etc/hotline/secrets/{key}\n" in unit


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "hotline_vault_key").write_text("ab" * 32)
    found = Settings(_secrets_dir=tmp_path).vault_key
    assert found is not None
    assert found.get_secret_value() == "ab" * 32


@pytest.mark.parametrize("resource", KUBERNETES, ids=named)
def test_a_resource_keeps_to_kubernetes_schema(resource: Mapping[str, Any]) -> None:
    if resource["kind"] == "ServiceMonitor":  # of Prometheus' operator, no part of Kubernetes
        assert resource["spec"]["endpoints"][0]["path"] == "/metrics"
        return
    kubernetes_validate.validate(resource, "1.32", strict=True)


@pytest.mark.parametrize("workload", WORKLOADS, ids=named)
def test_a_workload_is_bounded_watched_and_without_rights(workload: Mapping[str, Any]) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])
        assert container["image"] == "hotline"
    if workload["kind"] == "Deployment":
        (container,) = pod["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        module, side = container["args"]
        name = module.removeprefix("services.")
        port = Settings().port_of(name) + (100 if side == "worker" else 0)
        assert container["ports"] == [{"name": "http", "containerPort": port}]


def test_the_cluster_is_told_of_every_file_and_of_no_unknown_variable() -> None:
    folder = DEPLOY / "kubernetes"
    listed = set(yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"])
    assert listed == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    config = yaml.safe_load((folder / "config.yaml").read_text())["data"]
    assert set(config) <= VARIABLES


def test_the_example_of_an_issuer_names_no_unknown_variable() -> None:
    named = re.findall(r"^(\w+)=", (DEPLOY / "issuer.env.example").read_text(), re.MULTILINE)
    assert named
    assert {*named} <= VARIABLES


def test_what_scales_by_lag_names_a_group_there_is() -> None:
    source = (
        "".join(path.read_text() for path in (DEPLOY.parent / "services").glob("*/service.py"))
        + (DEPLOY.parent / "services/classifier/__main__.py").read_text()
    )
    scaled = [
        metric["external"]["metric"]["selector"]["matchLabels"]["group"]
        for each in KUBERNETES
        if each["kind"] == "HorizontalPodAutoscaler"
        for metric in each["spec"]["metrics"]
        if metric["type"] == "External"
    ]
    assert len(scaled) == 3
    for group in scaled:
        assert f'"{group}"' in source, group


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("HOTLINE_REQUIRE_KAFKA"):
            pytest.fail("systemd-analyze is required here")
        pytest.skip("no systemd-analyze")
    units = []
    for path in UNITS:
        if path.suffix in (".service", ".target"):
            text = path.read_text().replace("/opt/hotline/.venv/bin/python", sys.executable)
            (tmp_path / path.name).write_text(text)
            units.append(str(tmp_path / path.name))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", *units],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    variables = set(re.findall(r"HOTLINE_\w+", "".join(path.read_text() for path in UNITS)))
    assert variables <= VARIABLES


def left_out(service: str, passed: Sequence[str]) -> list[str]:
    """The routes of a service that lie under none of the paths that are passed on to it."""
    app = FastAPI()
    app.include_router({"intake": intake_routes(), "classifier": classifier_router}[service])
    return [
        path
        for path in app.openapi()["paths"]
        if not any(path == each or path.startswith(f"{each}/") for each in passed)
    ]


@pytest.mark.parametrize("service", ["intake", "classifier"])
def test_the_proxies_pass_on_every_route(service: str) -> None:
    caddy = (DEPLOY / "compose" / "Caddyfile").read_text()
    line = re.search(rf"@{service} path (.*)", caddy)
    assert line is not None
    whole = {path for path in line[1].split() if f"{path}/*" in line[1].split()}
    alone = set(line[1].split()) - whole
    assert [path for path in left_out(service, [*whole]) if path not in alone] == []
    (ingress,) = [each for each in KUBERNETES if each["kind"] == "Ingress"]
    rules = ingress["spec"]["rules"][0]["http"]["paths"]
    passed = [
        rule["path"] for rule in rules if rule["backend"]["service"]["name"] == f"{service}-api"
    ]
    assert left_out(service, passed) == []


def test_the_pages_are_told_which_proxies_to_believe() -> None:
    told = COMPOSE["x-hotline"]["environment"]["HOTLINE_TRUSTED_PROXIES"]
    assert COMPOSE["networks"]["default"]["ipam"]["config"] == [{"subnet": told}]
    (config,) = [each for each in KUBERNETES if each["kind"] == "ConfigMap"]
    assert config["data"]["HOTLINE_TRUSTED_PROXIES"]
