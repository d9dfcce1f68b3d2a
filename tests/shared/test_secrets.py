"""Local secrets: made once, kept to their owner, the same for every process."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.secrets import KEY_BYTES, key_id, local_keys


def test_a_secret_is_made_on_first_use_and_stays(tmp_path: Path) -> None:
    (made,) = local_keys(tmp_path, "jwt", None)
    assert len(made) == KEY_BYTES
    assert local_keys(tmp_path, "jwt", None) == (made,)
    assert local_keys(tmp_path, "vault", None) != (made,)


def test_only_its_owner_reads_a_secret(tmp_path: Path) -> None:
    local_keys(tmp_path, "jwt", None)
    folder = tmp_path / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_all_who_start_at_once_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(32) as pool:
        keys = list(pool.map(lambda _: local_keys(tmp_path, "jwt", None), range(32)))
    assert len(set(keys)) == 1
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["jwt"]


def test_a_given_secret_is_used_and_nothing_is_stored(tmp_path: Path) -> None:
    given = SecretStr("AB" * KEY_BYTES + "\n" + "cd" * KEY_BYTES)
    first, second = local_keys(tmp_path, "jwt", given)
    assert (first, second) == (b"\xab" * KEY_BYTES, b"\xcd" * KEY_BYTES)
    assert key_id(first) != key_id(second)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given", ["", "short", "zz" * KEY_BYTES, "ab" * (KEY_BYTES - 1), f"{'ab' * KEY_BYTES} short"]
)
def test_what_is_no_key_stops_the_service_without_repeating_it(tmp_path: Path, given: str) -> None:
    with pytest.raises(ValueError, match="secret jwt is not 64 hexadecimal digits") as stopped:
        local_keys(tmp_path, "jwt", SecretStr(given))
    assert not given or given not in str(stopped.value)


def test_a_stored_secret_that_was_cut_off_stops_the_service(tmp_path: Path) -> None:
    local_keys(tmp_path, "jwt", None)
    (tmp_path / "secrets" / "jwt").write_text("ab")
    with pytest.raises(ValueError, match="secret jwt"):
        local_keys(tmp_path, "jwt", None)
