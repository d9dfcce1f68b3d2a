"""Everything that may differ between two installations, read once from the environment."""

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of one process; every field is an environment variable.

    With neither `HOTLINE_DATABASE_URL` nor `HOTLINE_KAFKA` set, a service runs on the
    embedded default: a PostgreSQL of its own under `HOTLINE_HOME` that also holds the bus.
    `HOTLINE_SECRETS` names a folder of files that stand in for variables of their names in
    small letters, `hotline_database_url` for one; a variable goes before a file.
    """

    model_config = SettingsConfigDict(env_prefix="HOTLINE_", frozen=True)

    home: Path = Path("var")
    database_url: SecretStr | None = None
    kafka: str | None = None
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_ca: Path | None = None
    kafka_user: str = "hotline"
    kafka_password: SecretStr | None = None
    kafka_replication: int = Field(default=1, ge=1, le=7)
    partitions: int = Field(default=8, ge=1, le=512)

    host: str = "127.0.0.1"
    intake_port: int = Field(default=8890, validation_alias="INTAKE_PORT")
    classifier_port: int = Field(default=8891, validation_alias="CLASSIFIER_PORT")
    router_port: int = Field(default=8892, validation_alias="ROUTER_PORT")
    desk_port: int = Field(default=8893, validation_alias="DESK_PORT")
    intake_url: str | None = None
    classifier_url: str | None = None
    router_url: str | None = None
    desk_url: str | None = None

    secure_cookies: bool = False
    trusted_proxies: str = ""
    grafana_url: str = ""
    jwt_secret: SecretStr | None = None
    oidc_issuer: str | None = None
    oidc_jwks_url: str | None = None
    oidc_audience: str = "hotline"
    oidc_client_id: str = "hotline"
    oidc_client_secret: SecretStr | None = None
    oidc_scope: str = "openid profile"
    vault_key: SecretStr | None = None

    number_prefix: str = Field(default="NK", pattern=r"^[A-Z]{1,8}$")
    policy_dir: Path | None = None
    webhook_networks: str = ""
    webhook_key: SecretStr | None = None
    log_level: str = "INFO"

    def kafka_client(self) -> dict[str, Any]:
        """How a client of Kafka proves who it is and whom it trusts: TLS, SCRAM-SHA-512."""
        options: dict[str, Any] = {"security_protocol": self.kafka_security}
        if self.kafka_ca is not None:
            options["ssl_cafile"] = str(self.kafka_ca)
        if self.kafka_security.startswith("SASL"):
            password = self.kafka_password
            options |= {
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": self.kafka_user,
                "sasl_plain_password": password.get_secret_value() if password else "",
            }
        return options

    def port_of(self, service: str) -> int:
        """The HTTP port of `intake`, `classifier`, `router` or `desk`."""
        return {
            "intake": self.intake_port,
            "classifier": self.classifier_port,
            "router": self.router_port,
            "desk": self.desk_port,
        }[service]

    def url_of(self, service: str) -> str:
        """Where the desk finds a service, or browsers the `desk`: on this host by default."""
        named: str | None = getattr(self, f"{service}_url")
        return named or f"http://{self.host}:{self.port_of(service)}"


@cache
def load_settings() -> Settings:
    """The settings of this process, read from the environment on the first call."""
    return Settings(_secrets_dir=os.environ.get("HOTLINE_SECRETS"))
