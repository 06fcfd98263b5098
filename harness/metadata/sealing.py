"""Secrets: read with the source's Fernet key, sealed in the bundle, written with the target's.

Sealed is AES-256-GCM under a key that scrypt makes of the passphrase; each value is bound to its
place (table, row, column), so that none can be put in another's place. Nothing is ever in the
bundle in the clear. ``cryptography`` is what Airflow itself uses.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Any, Dict, Mapping, Optional, Sequence

from harness.errors import UsageError
from harness.metadata.problems import KeyProblem, MetadataError

N, R, P = 1 << 15, 8, 1
CHECK = b"mwaa-harness"


def _cryptography() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise MetadataError(
            "cryptography, which opens and seals secrets, is not installed.",
            hint="python -m pip install cryptography",
        ) from None
    return AESGCM


class Fernet:
    """Airflow's own encryption under one or more keys; the first one encrypts.

    Without any key it leaves values as they are, as Airflow does. Raises KeyProblem for a key that
    cannot be one.
    """

    def __init__(self, keys: str, where: str) -> None:
        self.where = where
        self.keys = [key for key in keys.replace("\n", ",").replace(" ", "").split(",") if key]
        self._fernet: Any = None
        if self.keys:
            from cryptography.fernet import Fernet as One
            from cryptography.fernet import MultiFernet

            try:
                self._fernet = MultiFernet([One(key.encode("utf-8")) for key in self.keys])
            except (ValueError, TypeError):
                raise KeyProblem(
                    f"{where}: this is no Fernet key.",
                    hint="A key is 32 bytes in URL-safe base64 (44 characters); several are "
                    "separated by commas, as in fernet_key of airflow.cfg.",
                ) from None

    @property
    def encrypts(self) -> bool:
        """Whether there is a key."""
        return self._fernet is not None

    def decrypt(self, token: bytes) -> Optional[bytes]:
        """The plain text, or None when no key opens it."""
        from cryptography.fernet import InvalidToken

        if self._fernet is None:
            return None
        try:
            return bytes(self._fernet.decrypt(token))
        except (InvalidToken, TypeError, ValueError):
            return None

    def encrypt(self, text: bytes) -> bytes:
        """A token."""
        return bytes(self._fernet.encrypt(text))


class Seal:
    """A passphrase at work on one bundle."""

    def __init__(self, passphrase: bytes, parameters: Mapping[str, Any]) -> None:
        self.parameters = dict(parameters)
        n, r, p = (int(parameters[name]) for name in "nrp")
        key = hashlib.scrypt(
            passphrase,
            salt=base64.b64decode(parameters["salt"]),
            n=n,
            r=r,
            p=p,
            maxmem=256 * n * r,
            dklen=64,
        )
        self._cipher = _cryptography()(key[:32])
        self._sign = key[32:]

    def close(self, value: bytes, *place: str) -> bytes:
        """``value`` sealed for its place."""
        nonce = os.urandom(12)
        sealed = nonce + self._cipher.encrypt(nonce, value, "\0".join(place).encode("utf-8"))
        return base64.b64encode(sealed)

    def open(self, sealed: bytes, *place: str) -> bytes:
        """The value again. Raises KeyProblem when it was not sealed for that place."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(sealed)
            return bytes(
                self._cipher.decrypt(data[:12], data[12:], "\0".join(place).encode("utf-8"))
            )
        except (InvalidTag, ValueError):
            raise KeyProblem(
                f"A sealed value of {'.'.join(place)} cannot be opened: it was changed, or sealed "
                "with another passphrase."
            ) from None

    def signature(self, data: bytes) -> str:
        """What proves that whoever wrote ``data`` knew the passphrase."""
        return hmac.new(self._sign, data, hashlib.sha256).hexdigest()


def new_seal(passphrase: bytes) -> Seal:
    """A seal for a new bundle."""
    salt = base64.b64encode(os.urandom(16)).decode("ascii")
    parameters: Dict[str, Any] = {"kdf": "scrypt", "n": N, "r": R, "p": P, "salt": salt}
    seal = Seal(passphrase, parameters)
    seal.parameters["check"] = seal.close(CHECK, "check").decode("ascii")
    return seal


def reopened_seal(passphrase: bytes, parameters: Mapping[str, Any], where: str) -> Seal:
    """The seal of a bundle. Raises KeyProblem when the passphrase is another one."""
    try:
        n, r, p = (int(parameters[name]) for name in "nrp")
        if parameters["kdf"] != "scrypt" or n * r > 1 << 22 or p > 16:
            raise ValueError("unknown seal")
        seal = Seal(passphrase, parameters)
        seal.open(parameters["check"].encode("ascii"), "check")
    except (KeyProblem, KeyError, ValueError):
        raise KeyProblem(
            f"{where}: the passphrase does not open this bundle.",
            hint="Nothing was written. Give --passphrase-file the one of the export.",
        ) from None
    return seal


def read_secret(path: str, what: str) -> bytes:
    """The content of a key's or a passphrase's file, without the line end. Raises UsageError."""
    try:
        with open(path, "rb") as file:
            return file.read().strip(b"\r\n \t")
    except OSError as error:
        raise UsageError(f"{path}: {what} cannot be read ({error.strerror}).") from None


def one_of(names: Sequence[str], limit: int = 5) -> str:
    """The first few of some names, for a message."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
