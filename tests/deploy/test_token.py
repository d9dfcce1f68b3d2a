"""Tokens for a developer: from a home of one's own, and from nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import jwt


def made(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.token", *arguments],
        env=os.environ | {"HOTLINE_HOME": str(home)} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_token_names_role_unit_and_bearer(tmp_path: Path) -> None:
    token = made(tmp_path, "unit", "--unit", "housing", "--name", "李工").stdout.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["role"], claims["unit"]) == ("李工", "unit", "housing")


def test_no_token_is_made_where_the_secret_was_given(tmp_path: Path) -> None:
    refused = made(tmp_path, "operator", HOTLINE_JWT_SECRET="5a" * 32)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "HOTLINE_JWT_SECRET" in refused.stderr
