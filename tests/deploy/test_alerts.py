"""The alert rules: promtool accepts them, they fire when they should, on metrics we have."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

import services.router.metrics
import shared.metrics

RULES = Path("deploy/prometheus")
REQUIRED = os.environ.get("HOTLINE_REQUIRE_KAFKA") == "1"


@pytest.mark.parametrize(
    "command",
    [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
    ids=["they are valid", "they fire when they should"],
)
def test_promtool_agrees_with_the_rules(command: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not REQUIRED, "promtool is missing: install Debian's package prometheus"
        pytest.skip("promtool is missing: alert rules are not tested here")
    ran = subprocess.run(
        [promtool, *command], cwd=RULES, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_metric_of_a_rule_is_one_we_have() -> None:
    known = {
        name
        for module in (shared.metrics, services.router.metrics)
        for collector in vars(module).values()
        if isinstance(collector, MetricWrapperBase)
        for metric in collector.describe()
        for name in (metric.name, f"{metric.name}_total")
    }
    text = (RULES / "alerts.yml").read_text()
    named = {
        name
        for expr in re.findall(r"expr: (.*)", text)
        for name in re.findall(r"hotline_\w+", expr)
    }
    assert named
    assert named <= known
