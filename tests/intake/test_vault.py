"""The caller vault: what it seals opens for the same ticket and the same key only."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.intake.vault import Sealed, Vault
from shared.sealing import NONCE_BYTES, SealError
from shared.settings import Settings

NUMBER = "NK20261123-000001"
CALLER = Sealed(name="张三", phone="13820001234", text="原话", address="原址")
WORDS = st.none() | st.text(st.characters(exclude_categories=["Cs"]))


def vault(key: str = "5a" * 32) -> Vault:
    return Vault(Settings(home=Path("/nowhere"), vault_key=SecretStr(key)))


@given(st.builds(Sealed, name=WORDS, phone=WORDS, text=WORDS, address=WORDS))
def test_what_is_sealed_opens_again(content: Sealed) -> None:
    assert vault().open(NUMBER, vault().seal(NUMBER, content)) == content


def test_nothing_of_the_content_is_seen_and_no_two_seals_are_alike() -> None:
    sealed = [vault().seal(NUMBER, CALLER) for _ in range(2)]
    assert sealed[0] != sealed[1]
    for words in (CALLER.name, CALLER.phone):
        assert words is not None
        assert words.encode() not in sealed[0]


def test_a_seal_moved_to_another_ticket_does_not_open() -> None:
    with pytest.raises(SealError, match="NK20261123-000002 does not open"):
        vault().open("NK20261123-000002", vault().seal(NUMBER, CALLER))


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SealError):
        vault("a5" * 32).open(NUMBER, vault().seal(NUMBER, CALLER))


@pytest.mark.parametrize("place", [0, 1, NONCE_BYTES, 1 + NONCE_BYTES, -1])
def test_a_changed_byte_does_not_open(place: int) -> None:
    sealed = bytearray(vault().seal(NUMBER, CALLER))
    sealed[place] ^= 1
    with pytest.raises(SealError):
        vault().open(NUMBER, bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01short", b"\x02" + bytes(60)])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealError):
        vault().open(NUMBER, sealed)


def test_the_error_tells_nothing_of_the_content() -> None:
    with pytest.raises(SealError) as failed:
        vault("a5" * 32).open(NUMBER, vault().seal(NUMBER, CALLER))
    assert "张三" not in str(failed.value)


def test_a_contact_redacts_itself_from_later_words() -> None:
    assert CALLER.redact("张三 138-2000-1234 又打来") == "【姓名】 【电话】 又打来"
    assert Sealed().redact("张三又打来") == "张三又打来"


def ring(*keys: str) -> Vault:
    return Vault(Settings(home=Path("/nowhere"), vault_key=SecretStr(" ".join(keys))))


OLD, NEW = "5a" * 32, "a5" * 32


def test_a_new_key_seals_and_the_one_it_replaces_still_opens() -> None:
    before, both, after = vault(OLD), ring(NEW, OLD), vault(NEW)
    assert both.open(NUMBER, before.seal(NUMBER, CALLER)) == CALLER
    assert after.open(NUMBER, both.seal(NUMBER, CALLER)) == CALLER
    with pytest.raises(SealError):
        before.open(NUMBER, both.seal(NUMBER, CALLER))
    assert before.seal(NUMBER, CALLER)[:1] == b"\x01", "what the release before opens too"


def test_what_was_sealed_before_keys_had_ids_opens() -> None:
    nonce = b"n" * NONCE_BYTES
    plain = CALLER.model_dump_json().encode()
    sealed = b"\x01" + nonce + AESGCM(bytes.fromhex(OLD)).encrypt(nonce, plain, NUMBER.encode())
    assert ring(NEW, OLD).open(NUMBER, sealed) == CALLER
    with pytest.raises(SealError):
        vault(NEW).open(NUMBER, sealed)
