"""Running processes follow the choice of a model, and whatever happens they classify."""

import threading
import time
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from deploy.stack import Process, settings_for
from services.classifier.home import model_file
from services.classifier.kept import built_in
from services.classifier.live import ACTIVE, LiveModels, Slot
from services.classifier.model import Model, write_model
from shared.database import Database
from shared.postgres import database_url
from shared.service import prepare
from shared.settings import Settings
from tests.classifier.bench import LAMP, new_number
from tests.classifier.live_bench import GREEN, LIGHT, Live, install
from tests.conftest import drop_databases, own_databases

SWITCH_SECONDS = 20
"""Processes look every five seconds; a busy machine gets more."""


def unavailable() -> float | None:
    return REGISTRY.get_sample_value("hotline_model_unavailable", {"role": ACTIVE})


def in_use(version: str) -> float | None:
    labels = {"role": ACTIVE, "version": version}
    return REGISTRY.get_sample_value("hotline_model_in_use", labels)


def test_a_promoted_model_judges_the_next_batch_without_a_restart(live: Live) -> None:
    assert live.leaf_of(new_number()) == LIGHT
    result = live.run("models", "promote", live.second.version, "--by", "王五")
    assert (result.exit_code, result.stdout) == (0, f"现用 {live.second.version}，影子 无\n")
    number = new_number()
    assert live.leaf_of(number) == GREEN
    assert live.bench.said(number)[-1][1].model_version == live.second.version
    preview = live.bench.post("/classify", {"text": LAMP}).json()
    assert (preview["leaf"], preview["model_version"]) == (GREEN, live.second.version)
    assert in_use(live.second.version) == 1
    assert in_use(live.first.version) is None


def test_a_model_that_is_missing_keeps_the_present_one_in_use_and_says_so(live: Live) -> None:
    live.choose("0123456789ab")
    assert live.leaf_of(new_number()) == LIGHT
    assert unavailable() == 1
    assert live.bench.client.get("/readyz").json()["checks"]["model"] == "ok"
    shown = live.bench.get("/model").json()
    assert (shown["version"], shown["chosen"]) == (live.first.version, "0123456789ab")
    assert "0123456789ab  现用  文件不在" in live.run("models", "list").stdout
    live.choose(live.second.version)
    assert unavailable() == 0


def test_a_broken_model_file_keeps_the_present_one_until_it_is_whole(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.classifier.live.RETRY_SECONDS", 0.0)
    path = model_file(live.home, live.second.version)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    live.choose(live.second.version)
    assert live.leaf_of(new_number()) == LIGHT
    assert unavailable() == 1
    path.write_bytes(whole)
    live.models.refresh()
    assert live.leaf_of(new_number()) == GREEN
    assert unavailable() == 0


def test_the_first_start_chooses_the_built_in_model_once(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live.database.writing() as writer:
        writer.execute(text("TRUNCATE model_choice"))
    monkeypatch.setattr("services.classifier.live.built_in", lambda home: live.first)
    starting = [
        threading.Thread(target=LiveModels, args=(live.database, live.home)) for _ in range(4)
    ]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()
    rows = live.bench.rows("SELECT active, deed, actor FROM model_choice")
    assert rows == [(live.first.version, "start", "classifier")]


def test_a_start_with_a_broken_model_uses_the_built_in_one_and_leaves_the_choice(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.choose(live.second.version)
    model_file(live.home, live.second.version).write_bytes(b"PK\x03\x04")
    monkeypatch.setattr("services.classifier.live.built_in", lambda home: live.first)
    started = LiveModels(live.database, live.home)
    assert started.active.version == live.first.version
    assert started.choice is not None
    assert started.choice.active == live.second.version
    assert unavailable() == 1


def test_a_start_without_the_database_has_the_built_in_model(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.classifier.live.built_in", lambda home: live.first)
    away = Database(live.database.url.set(host="127.0.0.1", port=1))
    assert LiveModels(away, live.home).active.version == live.first.version


def test_a_built_in_model_that_was_made_before_is_read(
    tmp_path: Path, two_models: tuple[Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = two_models
    monkeypatch.setattr("services.classifier.kept.version_of", lambda examples: first.version)
    write_model(first, model_file(tmp_path, first.version))
    assert built_in(tmp_path).version == first.version


def test_a_model_that_fails_is_not_read_again_at_once(live: Live) -> None:
    slot = Slot(ACTIVE, live.home)
    path = model_file(live.home, live.second.version)
    whole = path.read_bytes()
    path.write_bytes(b"")
    slot.follow(live.second.version)
    path.write_bytes(whole)
    slot.follow(live.second.version)
    assert slot.model is None


def test_every_process_of_the_service_switches_within_seconds(
    server: Settings, tmp_path: Path, two_models: tuple[Model, Model]
) -> None:
    first, second = two_models
    own = own_databases(server, tmp_path)
    assert own.database_url is not None
    settings = settings_for(tmp_path, database_url=own.database_url.get_secret_value())
    install(settings, settings.home / "classifier", first, second)
    prepare(settings, "classifier")
    processes = [Process(settings, "classifier", side) for side in ("api", "worker")]
    database = Database(database_url(settings, "classifier"))
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.wait_ready()
        wait_for(processes, first.version)
        with database.writing() as writer:
            writer.execute(
                text(
                    "INSERT INTO model_choice (active, deed, actor, at)"
                    " VALUES (:version, 'promote', '王五', now())"
                ),
                {"version": second.version},
            )
        wait_for(processes, second.version)
    finally:
        for process in processes:
            process.stop()
        database.close()
        drop_databases(own, server)


def wait_for(processes: list[Process], version: str) -> None:
    """Wait until every process says it uses this model."""
    wanted = f'hotline_model_in_use{{role="active",version="{version}"}} 1.0'
    deadline = time.monotonic() + SWITCH_SECONDS
    for process in processes:
        while wanted not in httpx2.get(f"{process.address}/metrics", timeout=5).text:
            assert time.monotonic() < deadline, f"{process.name} does not use {version}"
            time.sleep(0.1)
