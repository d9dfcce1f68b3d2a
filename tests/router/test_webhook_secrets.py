"""Secrets of webhooks are sealed at rest, move to a new key, and sign as before."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

import services.router.storage.webhook_secrets as kept
import services.router.webhook_commands
import shared.commands
from services.router.commands import add_commands
from services.router.domain.webhooks import networks_of
from services.router.service import ROUTER
from services.router.storage.webhook_secrets import (
    opened,
    seal_anew,
    sealed,
    sealing,
    webhook_seals,
)
from services.router.webhooks import Webhooks
from shared.roles import Role
from shared.sealing import SealError, Seals
from shared.secrets import local_keys
from shared.service import command_line
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.router.station import Station, open_station
from tests.router.test_webhooks import (
    ALLOWED,
    UNIT,
    Receiver,
    added,
    deliveries,
    receiving,
    settle,
    to,
)

NEW, OTHER = secrets.token_hex(32), secrets.token_hex(32)
EVERY = "SELECT id, secret, old_secret FROM webhook ORDER BY id"


@pytest.fixture(scope="module")
def whole(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    settings = own_databases(server, tmp_path_factory.mktemp("sealed"))
    with open_station(settings.model_copy(update={"webhook_networks": ALLOWED})) as running:
        yield running
    drop_databases(settings, server)


@pytest.fixture
def station(whole: Station) -> Station:
    with whole.database.writing() as writer:
        for table in ("webhook", "queue_entry", "unit_feed"):
            writer.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    return whole


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def with_keys(settings: Settings, *keys: str) -> Settings:
    return settings.model_copy(update={"webhook_key": SecretStr(" ".join(keys))})


def old_key(station: Station) -> str:
    return local_keys(station.settings.home, "webhook", None)[0].hex()


def raw(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def renewed(station: Station, webhook: str) -> str:
    answer = station.post(f"/units/{UNIT}/webhooks/{webhook}/secret", {}, Role.UNIT, UNIT)
    assert answer.status_code == 200, answer.text
    secret: str = answer.json()["secret"]
    return secret


def in_plain(station: Station, webhook: str, secret: str) -> None:
    """As the release before kept it."""
    with station.database.writing() as writer:
        row = {"id": webhook, "secret": raw(secret)}
        writer.execute(text("UPDATE webhook SET secret = :secret WHERE id = :id"), row)


def told(station: Station, seals: Seals) -> None:
    telling = Webhooks(station.database, networks_of(ALLOWED), seals)
    settle(telling)
    telling.close()


def signed_by(receiver: Receiver, *proofs: str) -> bool:
    """Whether these secrets, and no others, have signed the last delivery."""
    headers, body = receiver.got[-1]
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digests = [hmac.digest(raw(proof), said, hashlib.sha256) for proof in proofs]
    signatures = [f"v1,{base64.b64encode(digest).decode()}" for digest in digests]
    return headers["webhook-signature"].split() == signatures


def test_nothing_of_a_secret_stands_in_the_database(station: Station, receiver: Receiver) -> None:
    webhook, first = added(station, to(receiver))
    second = renewed(station, webhook)
    ((_, secret, replaced),) = station.rows(EVERY)
    for held in (bytes(secret), bytes(replaced)):
        assert raw(first) not in held
        assert raw(second) not in held
    seals = webhook_seals(station.settings)
    assert opened(seals, UUID(webhook), bytes(secret)) == raw(second)
    assert opened(seals, UUID(webhook), bytes(replaced)) == raw(first)


def test_a_seal_opens_for_its_webhook_alone(station: Station) -> None:
    seals, webhook = webhook_seals(station.settings), uuid4()
    held = sealed(seals, webhook, b"s" * 32)
    assert opened(seals, webhook, held) == b"s" * 32
    for other, its in ((uuid4(), held), (webhook, held[:-1] + bytes([held[-1] ^ 1]))):
        with pytest.raises(SealError):
            opened(seals, other, its)


@pytest.mark.parametrize("after", [3600.0, 0.0])
def test_what_stands_in_plain_signs_and_is_sealed_once_the_release_before_has_ended(
    station: Station, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, after: float
) -> None:
    monkeypatch.setattr(kept, "OVERLAP_SECONDS", after)
    number = station.opened()
    webhook, secret = added(station, to(receiver))
    in_plain(station, webhook, secret)
    seals = webhook_seals(station.settings)
    told(station, seals)
    assert signed_by(receiver, secret)
    assert not sealing(station.database, seals)()
    ((_, held, _),) = station.rows(EVERY)
    assert (bytes(held) == raw(secret)) is (after > 0)
    station.done(number, "accept", unit=UNIT)
    told(station, seals)
    assert signed_by(receiver, secret)
    assert len(receiver.got) == 2


def test_every_secret_moves_to_a_new_key_while_deliveries_go_on(
    station: Station, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "AT_ONCE", 1)
    number = station.opened()
    webhook, first = added(station, to(receiver))
    second = renewed(station, webhook)
    other, plain = added(station, to(receiver), "market")
    third, _ = added(station, to(receiver), "market")
    in_plain(station, other, plain)
    with station.database.writing() as writer:
        ended = text("UPDATE webhook SET old_secret = secret, old_until = now() WHERE id = :id")
        writer.execute(ended, {"id": third})
    both = webhook_seals(with_keys(station.settings, NEW, old_key(station)))
    only_new = webhook_seals(with_keys(station.settings, NEW))
    next(seal_anew(station.database, both))  # and stops in the middle
    told(station, both)
    assert signed_by(receiver, second, first)
    assert list(seal_anew(station.database, both))[-1] == 2
    for row, secret, replaced in station.rows(EVERY):
        assert opened(only_new, row, bytes(secret))
        assert (replaced is None) is (str(row) != webhook)
        assert replaced is None or opened(only_new, row, bytes(replaced)) == raw(first)
    assert list(seal_anew(station.database, both))[-1] == 0
    station.done(number, "accept", unit=UNIT)
    told(station, only_new)
    assert signed_by(receiver, second, first)
    assert list(seal_anew(station.database, only_new))[-1] == 3, "with one key it ends too"
    assert list(seal_anew(station.database, only_new))[-1] == 0


def test_a_secret_that_does_not_open_delivers_nothing_until_it_is_renewed(
    station: Station, receiver: Receiver
) -> None:
    station.opened()
    webhook, _ = added(station, to(receiver))
    lost = webhook_seals(with_keys(station.settings, NEW))
    told(station, lost)
    assert receiver.got == []
    (waiting,) = deliveries(station, webhook)
    assert (waiting["state"], waiting["status"]) == ("waiting", None)
    assert "HOTLINE_WEBHOOK_KEY" in waiting["error"]
    with pytest.raises(SealError, match=webhook):
        list(seal_anew(station.database, webhook_seals(with_keys(station.settings, NEW, OTHER))))
    with station.database.writing() as writer:
        foreign = {"id": webhook, "secret": sealed(lost, UUID(webhook), b"s" * 32)}
        writer.execute(text("UPDATE webhook SET secret = :secret WHERE id = :id"), foreign)
        writer.execute(text("UPDATE delivery SET next_try = now()"))
        writer.execute(text("UPDATE webhook SET resting_until = now()"))
    secret = renewed(station, webhook)
    told(station, webhook_seals(station.settings))
    assert signed_by(receiver, secret)


def test_the_commands_say_what_is_sealed_and_what_a_missing_key_means(
    station: Station, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, secret = added(station, to(receiver))
    added(station, to(receiver))
    in_plain(station, webhook, secret)
    cli = command_line(ROUTER)
    add_commands(cli)

    def ran(command: str, *keys: str) -> tuple[int, str]:
        settings = with_keys(station.settings, *keys)
        for module in (services.router.webhook_commands, shared.commands):
            monkeypatch.setattr(module, "load_settings", lambda: settings)
        result = CliRunner().invoke(cli, ["webhooks", command])
        return result.exit_code, result.output

    old = old_key(station)
    code, said = ran("status", old)
    assert (code, "未封存：1 个" in said, "现用密钥 未编号：1 个" in said) == (0, True, True)
    for command in ("status", "rotate"):
        code, said = ran(command, NEW)
        assert (code, "打不开" in said, old in said) == (2, True, False)
    code, said = ran("rotate", NEW, old)
    mark = webhook_seals(with_keys(station.settings, NEW, old)).mark[1:].hex()
    assert (code, f"现用密钥 {mark}：2 个" in said) == (0, True)
    assert "共 2 个，全部可以打开" in said
    assert ran("status", NEW)[0] == 0
