"""The embedded server: nobody but its owner reaches it."""

from pathlib import Path

import pytest

from shared.postgres import server_url
from shared.settings import Settings


def test_a_home_too_long_for_its_socket_is_refused_not_served_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    with pytest.raises(ValueError, match="HOTLINE_HOME is too long"):
        server_url(Settings(home=home))
    assert not home.exists()
