"""Lead every AWS client of a process to the emulator, and let it ask for no real AWS host.

Python imports this at its start when the folder is on PYTHONPATH. Without ``MWAA_HARNESS_AWS`` it
does nothing but hand on. Python 3.6 syntax, standard library only: it runs inside both Airflows.

``AWS_ENDPOINT_URL`` does the same for boto3 from 1.28 on, as long as nothing else names an
endpoint. Airflow 1.10.15 pins 1.10.50, and a ``role_arn`` or a plain ``boto3.client()`` there
passes by what a connection's extra says; all of them pass through ``Session.create_client``.

``MWAA_HARNESS_AWS``            the emulator's URL
``MWAA_HARNESS_AWS_ATTEMPTS``   a file to which every refused host is appended, a line each
"""

import errno
import functools
import importlib.machinery
import importlib.util
import inspect
import ipaddress
import os
import re
import socket
import sys

# Whatever a process does to its environment later, it stays with the emulator.
ENDPOINT = os.environ.get("MWAA_HARNESS_AWS", "")
ATTEMPTS = os.environ.get("MWAA_HARNESS_AWS_ATTEMPTS", "")

# The suffixes of all partitions, and of what AWS serves beside its regional endpoints.
# Source: dnsSuffix and dualStackDnsSuffix in botocore's data/partitions.json, 1.44.8.
AWS_HOST = re.compile(
    r"(?:^|\.)(?:amazonaws\.(?:com|com\.cn|eu)|(?:api\.)?amazonwebservices\.(?:com\.cn|eu)"
    r"|(?:api|on)\.aws|aws\.dev|awsapprunner\.com|awsapps\.com|aws\.amazon\.com|amazonaws\.cn"
    r"|(?:c2s|csp\.hci|api\.aws(?:\.hci)?)\.ic\.gov|sc2s\.sgov\.gov|api\.aws\.scloud"
    r"|cloud(?:-aws)?\.adc-e\.uk)$"
)
# Where an instance or a container asks for its role's credentials.
# Source: botocore/utils.py (METADATA_BASE_URL, ContainerMetadataFetcher) 1.44.8.
METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"),
    )
)


def is_aws(host):
    """Whether a host, given as a name or an address, is one of AWS'."""
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("ascii", "replace")
    host = str(host or "").lower().rstrip(".")
    try:
        return ipaddress.ip_address(host.partition("%")[0]) in METADATA
    except ValueError:
        return bool(AWS_HOST.search(host))


# ------------------------------------------------------------------------------------- the guard


def refuse_aws(host):
    """Raise OSError, and note it, for a host of AWS'."""
    if not is_aws(host):
        return
    if ATTEMPTS:
        with open(ATTEMPTS, "a") as file:
            file.write(f"{host.decode() if isinstance(host, bytes) else host}\n")
    raise OSError(
        errno.ENETUNREACH,
        f"the harness lets nothing reach the real AWS, and {host} was asked for; AWS is emulated "
        f"at {ENDPOINT}",
    )


def guard():
    """Refuse AWS' hosts before they are resolved or connected to: by an audit hook, which no later
    code can take away, and before Python 3.8 by wrappers."""
    checks = {
        "socket.getaddrinfo": lambda args: refuse_aws(args[0]),
        "socket.gethostbyname": lambda args: refuse_aws(args[0]),
        "socket.connect": lambda args: refuse_aws(host_of(args[1])),
        "socket.sendto": lambda args: refuse_aws(host_of(args[1])),
        "socket.sendmsg": lambda args: refuse_aws(host_of(args[1])),
    }
    if hasattr(sys, "addaudithook"):

        def audit(event, args):
            if event in checks:
                checks[event](args)

        sys.addaudithook(audit)
        return

    def checked(function, position):
        @functools.wraps(function)
        def call(*args, **kwargs):
            if len(args) > position:
                refuse_aws(host_of(args[position]))
            return function(*args, **kwargs)

        return call

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(socket, name, checked(getattr(socket, name), 0))
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, checked(getattr(socket.socket, name), 1))
    socket.socket.sendto = checked(socket.socket.sendto, -1)


def host_of(address):
    """The host of a socket's address, or of what was given in its place."""
    if isinstance(address, tuple):
        return address[0] if address else ""
    return address if isinstance(address, (str, bytes)) else ""


# ----------------------------------------------------------------------------------- the endpoint


def led_to_emulator(create_client, config_class):
    """``Session.create_client`` with the emulator as every service's endpoint.

    An endpoint that the caller names stays, unless it is AWS': then it is the emulator as well.
    """
    signature = inspect.signature(create_client)

    @functools.wraps(create_client)
    def create(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        given = bound.arguments.get("endpoint_url")
        if given and not is_aws(host_in(given)):
            return create_client(*args, **kwargs)
        config = bound.arguments.get("config")
        ours = emulator_config(config_class, config)
        bound.arguments["endpoint_url"] = ENDPOINT
        bound.arguments["config"] = config.merge(ours) if config is not None else ours
        return create_client(*bound.args, **bound.kwargs)

    return create


def emulator_config(config_class, config):
    """What an emulator on one plain address needs, whatever the caller's ``config`` asks for:
    nothing before the address, no proxy on the way, no endpoint of another kind."""
    options = {
        "inject_host_prefix": False,
        "use_dualstack_endpoint": False,
        "use_fips_endpoint": False,
        "proxies": {},
        "s3": dict(
            getattr(config, "s3", None) or {},
            addressing_style="path",
            use_accelerate_endpoint=False,
            use_dualstack_endpoint=False,
        ),
    }
    known = config_class.OPTION_DEFAULTS
    return config_class(**{name: value for name, value in options.items() if name in known})


def host_in(url):
    """The host in a URL."""
    match = re.match(r"^(?:[a-z][a-z0-9+.-]*:)?//(?:[^/@]*@)?(\[[^]]*\]|[^/:?#]*)", url, re.I)
    return match.group(1).strip("[]") if match else url


def patch_botocore(module):
    """Called when ``botocore.session`` has been imported."""
    session = module.Session
    session.create_client = led_to_emulator(session.create_client, config_class())


def patch_aiobotocore(module):
    """Called when ``aiobotocore.session`` has been imported: deferrable operators use it."""
    session = module.AioSession
    # Its create_client takes anything and hands it to a coroutine that has names.
    name = "_create_client" if hasattr(session, "_create_client") else "create_client"
    setattr(session, name, led_to_emulator(getattr(session, name), config_class()))


def config_class():
    return importlib.import_module("botocore.config").Config


PATCHES = {"botocore.session": patch_botocore, "aiobotocore.session": patch_aiobotocore}


class Finder:
    """Patches a module of PATCHES right after it was imported; botocore is not imported for it."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        patch = PATCHES.get(name)
        if patch is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not Finder else None
            if spec is not None:
                break
        else:
            return None
        execute = getattr(spec.loader, "exec_module", None)
        if execute is not None:

            def exec_module(module):
                execute(module)
                patch(module)

            spec.loader.exec_module = exec_module
        return spec


def hand_on():
    """Run the ``sitecustomize`` that Python would have found without this one: the user's,
    Airflow's or the system's. It takes our place, for whoever imports it."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is None or spec.loader is None:
        return
    ours = sys.modules[__name__]
    module = importlib.util.module_from_spec(spec)
    sys.modules[__name__] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules[__name__] = ours
        raise


if ENDPOINT:
    guard()
    sys.meta_path.insert(0, Finder)
if __name__ == "sitecustomize":
    hand_on()
