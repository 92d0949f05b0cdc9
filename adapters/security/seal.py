"""Authenticated encryption of what lies in the database and is secret."""

import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.security.tokens import derive_key
from application.ports.security import Seal

NONCE_BYTES: Final = 12  # NIST SP 800-38D, 8.2.2; random, and each key closes two or three things


class AesSeal(Seal):
    """AES-256-GCM under a key that is derived from the installation's secret and the context.

    Closes under the first of `secrets_`, opens what any of them closed.
    """

    def __init__(self, secrets_: Sequence[str]) -> None:
        self._secrets = tuple(secrets_)

    def close(self, plain: bytes, *, context: bytes) -> bytes:
        """Nonce and ciphertext."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + _cipher(self._secrets[0], context).encrypt(nonce, plain, None)

    def open(self, sealed: bytes, *, context: bytes) -> bytes | None:
        """What was closed, None where no key fits."""
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        for secret in self._secrets:
            try:
                return _cipher(secret, context).decrypt(nonce, ciphertext, None)
            except (InvalidTag, ValueError):
                continue
        return None


def _cipher(secret: str, context: bytes) -> AESGCM:
    return AESGCM(derive_key(secret, f"seal {context.hex()}"))
