"""How the package index is reached: what is set up for pip alone holds for uv too."""

from __future__ import annotations

from collections.abc import Mapping

# pip's name of a setting → uv's.
FROM_PIP: Mapping[str, str] = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
}


def for_uv(environ: Mapping[str, str]) -> dict[str, str]:
    """What pip's variables say in uv's names, where ``environ`` says nothing of it to uv itself."""
    return {
        ours: environ[theirs]
        for theirs, ours in FROM_PIP.items()
        if environ.get(theirs)
        and not environ.get(ours)
        and not environ.get(theirs.replace("PIP", "UV"))
    }
