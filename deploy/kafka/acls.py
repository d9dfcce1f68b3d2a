"""What each unit may read from Kafka: its own queue, and nothing else.

    python -m deploy.kafka.acls                 # print what would be allowed
    python -m deploy.kafka.acls --apply         # allow it, as the super user of HOTLINE_KAFKA_*

A unit's user is named like the unit, `wangdingdi`; its groups begin with that name. The services
themselves are `HOTLINE_KAFKA_USER`, `hotline` by default, and may do everything with the topics and
groups of hotline. Run it again after units have changed: what is allowed already stays as it is.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from services.router.policy.loading import POLICY_DIRECTORY
from services.router.policy.units import load_units
from shared.events import queue_topic
from shared.settings import load_settings

SERVICES: Final = "hotline"
"""What every topic of ours begins with."""


def rights(units: Sequence[str], services: str = SERVICES) -> list[ACL]:
    """All that is allowed: to each unit its queue, to the services what is ours."""
    return [right for unit in units for right in _of_unit(unit)] + _of_services(services)


def _of_unit(unit: str) -> list[ACL]:
    topic = ResourcePattern(ResourceType.TOPIC, queue_topic(unit), ACLResourcePatternType.LITERAL)
    groups = ResourcePattern(ResourceType.GROUP, unit, ACLResourcePatternType.PREFIXED)
    return [
        _allowed(unit, ACLOperation.READ, topic),
        _allowed(unit, ACLOperation.DESCRIBE, topic),
        _allowed(unit, ACLOperation.READ, groups),
    ]


def _of_services(user: str) -> list[ACL]:
    kinds = (ResourceType.TOPIC, ResourceType.GROUP)
    ours = [
        _allowed(
            user,
            ACLOperation.ALL,
            ResourcePattern(kind, prefix, ACLResourcePatternType.PREFIXED),
        )
        for kind, prefixes in zip(
            kinds, ((f"{SERVICES}.",), ("intake.", "classifier.", "router.")), strict=True
        )
        for prefix in prefixes
    ]
    cluster = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster", ACLResourcePatternType.LITERAL)
    return [
        *ours,
        *(
            _allowed(user, operation, cluster)
            for operation in (ACLOperation.DESCRIBE, ACLOperation.IDEMPOTENT_WRITE)
        ),
    ]


def _allowed(user: str, operation: ACLOperation, pattern: ResourcePattern) -> ACL:
    return ACL(
        principal=f"User:{user}",
        host="*",
        operation=operation,
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=pattern,
    )


def told(right: ACL) -> str:
    """A right in one line."""
    pattern = right.resource_pattern
    kind, how = pattern.resource_type.name, pattern.pattern_type.name
    return f"{right.principal} {right.operation.name} {kind} {pattern.resource_name} ({how})"


def main(apply: Annotated[bool, typer.Option(help="allow it, not only print it")] = False) -> None:
    """Print what is to be allowed, and allow it with --apply."""
    settings = load_settings()
    units = list(load_units(settings.policy_dir or POLICY_DIRECTORY))
    wanted = rights(units, settings.kafka_user)
    for right in wanted:
        print(told(right))
    if not apply:
        return
    if settings.kafka is None:
        raise typer.BadParameter("set HOTLINE_KAFKA to the brokers", param_hint="--apply")
    client = KafkaAdminClient(
        bootstrap_servers=settings.kafka.split(","), **settings.kafka_client()
    )
    try:
        done = client.create_acls(wanted)
    finally:
        client.close()
    if done["failed"]:
        raise typer.BadParameter(f"{len(done['failed'])} were refused", param_hint="--apply")
    print(f"{len(wanted)} rights are in force.")


if __name__ == "__main__":
    typer.run(main)
