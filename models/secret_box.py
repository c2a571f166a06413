"""Secrets of tenants at rest: encrypted with the deployment's key, which never gets into the database.

Fernet (AES-128-CBC with HMAC-SHA-256) of the `cryptography` package. Several keys allow a change of key: the first
encrypts, all decrypt.
"""

import base64
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from models.settings import Settings

KEY_FILE = "secret.key"


class SecretUnreadableError(RuntimeError):
    """The secret was encrypted with another key: give API and workers the same GATEWORK_SECRET_KEY."""

    def __str__(self) -> str:
        """The docstring is the message."""
        return str(self.__doc__)


class SecretBox:
    """Encrypts and decrypts with the keys of one deployment."""

    def __init__(self, *keys: str) -> None:
        """Take the keys, any texts of enough chance; at least one."""
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in keys])

    def seal(self, secret: str) -> bytes:
        """The secret as it may be stored."""
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """The secret behind what was stored.

        Raises:
            SecretUnreadableError: it was sealed with a key that is not ours.
        """
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SecretUnreadableError from error


def _derived(key: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(key.strip().encode()).digest())


def secret_box(settings: Settings) -> SecretBox:
    """The box of this deployment: the keys of the settings, else the one in the data folder, made on first use."""
    if settings.secret_key is not None:
        return SecretBox(*(key for key in settings.secret_key.get_secret_value().split(",") if key.strip()))
    return SecretBox(_kept_key(settings.state_dir))


def _kept_key(folder: Path) -> str:
    """The key file's content. Written beside and linked into place, so that two processes at once agree on one."""
    path = folder / KEY_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{KEY_FILE}.{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
