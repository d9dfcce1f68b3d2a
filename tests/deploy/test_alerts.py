"""The alert rules: promtool accepts them, they fire when they should, on metrics we have."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

import services.router.metrics
import shared.metrics

RULES = Path("deploy/prometheus")
RUNBOOK = Path("deploy/RUNBOOK.md")
REQUIRED = os.environ.get("HOTLINE_REQUIRE_KAFKA") == "1"


def alerts() -> list[str]:
    """The names of all alerts."""
    groups = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("test", "rules", "alerts_slow_test.yml"),
    ],
    ids=["they are valid", "they fire when they should", "and after hours"],
)
def test_promtool_agrees_with_the_rules(command: tuple[str, ...]) -> None:
    run("promtool", *command)


def run(tool: str, *arguments: str) -> str:
    """What a tool of Debian's packages prometheus and prometheus-alertmanager says."""
    found = shutil.which(tool)
    if found is None:
        assert not REQUIRED, f"{tool} is missing: .ci/run says which packages bring it"
        pytest.skip(f"{tool} is missing: alerts are not tested here")
    ran = subprocess.run(
        [found, *arguments], cwd=RULES, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_example_configurations_are_valid() -> None:
    run("promtool", "check", "config", "prometheus.yml")
    run("amtool", "check-config", "alertmanager.yml")


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_goes_to_those_whom_its_words_name(alert: str) -> None:
    groups = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    (rule,) = (r for group in groups for r in group["rules"] if r["alert"] == alert)
    config = "--config.file=alertmanager.yml"
    receiver = run("amtool", "config", "routes", "test", config, f"alertname={alert}").strip()
    told = rule["annotations"]["description"].split("：")[0]
    named = {"指挥调度席": "desk", "值班工程师": "engineers"}.get(told)
    assert named is None or named == receiver
    assert (receiver == "supervisors") <= (rule["labels"]["severity"] == "warning")


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_is_seen_firing_and_silent_and_says_what_to_do(alert: str) -> None:
    tried = [
        bool(case["exp_alerts"])
        for path in RULES.glob("*_test.yml")
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert
    ]
    assert set(tried) == {True, False}
    assert f"### {alert}\n" in RUNBOOK.read_text(encoding="utf-8")


def test_every_metric_of_a_rule_is_one_we_have() -> None:
    known = {
        name
        for module in (shared.metrics, services.router.metrics)
        for collector in vars(module).values()
        if isinstance(collector, MetricWrapperBase)
        for metric in collector.describe()
        for name in (metric.name, f"{metric.name}_total", f"{metric.name}_bucket")
    }
    text = (RULES / "alerts.yml").read_text()
    named = {
        name
        for expr in re.findall(r"expr: (.*)", text)
        for name in re.findall(r"hotline_\w+", expr)
    }
    assert named
    assert named <= known
