"""Nothing leaves this machine, but to allowed hosts; what was tried is noted."""

import contextlib
import errno
import functools
import ipaddress
import re
import socket
import sys

from . import notes
from .names import modules_being_imported

LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"}


class Network:
    """Refuses every connection that leaves this machine, except to ``allowed`` hosts."""

    def __init__(self, allowed):
        self.rules = [split_host(rule) for rule in allowed]
        self.names = {}  # address → the allowed names that resolved to it
        self.local = LOCAL_NAMES | {socket.gethostname().lower()}

    def permits(self, host, port=None):
        """Whether a name or an address may be asked for; with ``port`` None, only resolved."""
        if host in self.local:
            return True
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host.partition("%")[0])
            if address.is_loopback or address.is_unspecified:
                return True
        names = {host} | self.names.get(host, set())
        return any(
            name in names and (rule is None or port is None or rule == port)
            for name, rule in self.rules
        )

    def check(self, host, port=None):
        """Raise OSError, and record it, unless ``host`` is permitted."""
        host = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host
        host = "" if host is None else str(host).lower().rstrip(".")
        if self.permits(host, port):
            return
        place = f"{host}:{port}" if port else host
        if notes.SEEN is not None:
            notes.SEEN.loud.update(modules_being_imported(sys._getframe(1)))
            notes.SEEN.note("egress", place)
        raise OSError(
            errno.ENETUNREACH,
            f"the harness allows no network while DAGs are parsed, and {place} was asked for; a "
            "host that the file has to reach is named under allowed-hosts in the configuration",
        )

    def check_address(self, sock, address):
        """The same for what is given to ``connect`` and ``sendto``."""
        if sock.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            self.check(*address[:2])

    def learn(self, host, found):
        """Remember which addresses an allowed name has."""
        for address in found:
            self.names.setdefault(address, set()).add(str(host).lower())


def split_host(rule):
    """``host``, ``host:port`` or ``[address]:port`` → (host, port or None)."""
    match = re.match(r"^(?:\[([^]]+)\]|([^:]+))(?::(\d+))?$", rule)
    if not match:
        return rule.lower(), None  # an IPv6 address as it stands
    address, host, port = match.groups()
    return (address or host).lower(), int(port) if port else None


def guard_network(network):
    """Put ``network`` before the socket module: wrappers, which also learn what allowed names
    resolve to, and from Python 3.8 on an audit hook, which no later code can take away."""

    def resolving(function, addresses):
        @functools.wraps(function)
        def resolve(host, *args, **kwargs):
            network.check(host, args[0] if args and isinstance(args[0], int) else None)
            found = function(host, *args, **kwargs)
            network.learn(host, addresses(found))
            return found

        return resolve

    def connecting(function, least):
        @functools.wraps(function)
        def connect(sock, *args):
            if len(args) >= least:
                network.check_address(sock, args[-1])
            return function(sock, *args)

        return connect

    socket.getaddrinfo = resolving(socket.getaddrinfo, lambda found: [i[4][0] for i in found])
    socket.gethostbyname = resolving(socket.gethostbyname, lambda found: [found])
    socket.gethostbyname_ex = resolving(socket.gethostbyname_ex, lambda found: found[2])
    socket.gethostbyaddr = resolving(socket.gethostbyaddr, lambda found: found[2])
    # The address comes last, once there are so many arguments.
    for name, least in {"connect": 1, "connect_ex": 1, "sendto": 2, "sendmsg": 4}.items():
        setattr(socket.socket, name, connecting(getattr(socket.socket, name), least))

    checks = {
        "socket.connect": lambda args: network.check_address(*args[:2]),
        "socket.sendto": lambda args: network.check_address(*args[:2]),
        "socket.sendmsg": lambda args: network.check_address(*args[:2]),
        "socket.getaddrinfo": lambda args: network.check(args[0]),
        "socket.gethostbyname": lambda args: network.check(args[0]),
        "socket.gethostbyaddr": lambda args: network.check(args[0]),
    }

    def audit(event, args):
        check = checks.get(event)
        if check is not None:
            check(args)

    if hasattr(sys, "addaudithook"):
        sys.addaudithook(audit)
