"""What a webhook may reach, how a delivery proves where it comes from, and when it is tried again.

Signatures follow the Standard Webhooks specification, for which receivers find libraries.
"""

import base64
import hashlib
import hmac
import socket
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

RETRIES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (10, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)
)
"""How long after each failure a delivery is tried again: a day in all, then it is dead."""
LONGEST_REST: Final = timedelta(minutes=10)
LONGEST_WISH: Final = timedelta(hours=1)
"""How long a receiver may ask to be left alone."""
BARRED: Final[Sequence[Network]] = (IPv4Network("192.88.99.0/24"), IPv6Network("fec0::/10"))
"""Networks given up long ago, which some machines still send inside."""
EMBEDDING: Final[Sequence[tuple[IPv6Network, int]]] = (
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
    (IPv6Network("::/96"), 0),
)
"""Where IPv6 addresses hold an IPv4 address, and behind how many bits."""


def networks_of(named: str) -> Sequence[Network]:
    """Networks named with commas between them. Raises ValueError."""
    return [ip_network(name.strip()) for name in named.split(",") if name.strip()]


def literal(host: str) -> str | None:
    """The address that a host is in whatever way it is written; None for a name.

    Resolvers take 2130706433, 0x7f000001 and 127.1 for 127.0.0.1, and never ask for localhost.
    """
    if host.lower().rstrip(".").rpartition(".")[2] == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return str(IPv4Address(socket.inet_aton(host)))
    except (OSError, ValueError):
        return None


def may_reach(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a delivery may go to an address: a public one, or one in an allowed network."""
    found = _plain(address)
    barred = any(found in network for network in BARRED if network.version == found.version)
    public = found.is_global and not (found.is_multicast or found.is_reserved or barred)
    return public or is_allowed(address, allowed)


def is_allowed(address: str, allowed: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks that the installation names."""
    found = _plain(address)
    return any(found in network for network in allowed if network.version == found.version)


def _plain(written: str) -> Address:
    """An address without its scope; the IPv4 address inside an IPv6 one, where there is one."""
    address = ip_address(written.partition("%")[0])
    if isinstance(address, IPv4Address) or address.is_loopback:
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, behind in EMBEDDING:
        if address in network:
            return IPv4Address(int(address) >> behind & 0xFFFFFFFF)
    return address


def signature(secrets: Sequence[bytes], message: str, at: int, body: bytes) -> str:
    """The header `webhook-signature`: one for each secret that is in force."""
    said = f"{message}.{at}.".encode() + body
    digests = (hmac.digest(secret, said, hashlib.sha256) for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def shown(secret: bytes) -> str:
    """A secret as its receiver is told."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def next_try(attempts: int) -> timedelta | None:
    """How long after so many failures a delivery is tried again; None where it is dead."""
    return RETRIES[attempts - 1] if attempts <= len(RETRIES) else None


def rest_after(failures: int, wish: timedelta | None = None) -> timedelta:
    """How long a receiver that fails as a whole is left alone; it may wish for longer."""
    own = min(timedelta(seconds=5 * 2 ** min(failures, 10)), LONGEST_REST)
    return max(own, min(wish or own, LONGEST_WISH))
