"""Whether an address is one of this machine. Pure; imports the standard library alone."""

import ipaddress


def is_loopback(host: str) -> bool:
    """`host`: a name or an address without brackets. A name that only begins like an address is a name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
