"""Passwords and tokens: how they are made, checked and kept. Nothing here touches the database."""

import asyncio
import secrets
from hashlib import sha256
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from models.store.errors import PasswordTooWeakError

MINIMUM_LENGTH: Final = 10
_HASHER: Final = PasswordHasher()
_NOBODY: Final = "$argon2id$v=19$m=65536,t=3,p=4$Z2F0ZXdvcmtnYXRld29yaw$7cJcGmyI1BmzUcvxCE0Yv1cOrdY7Em2XzW5lgdyzl5E"
"""Checked where there is no such user, so that the answer takes as long."""


def check_strength(password: str, username: str) -> None:
    """Refuse what is guessed at once.

    Raises:
        PasswordTooWeakError: `password_too_weak`.
    """
    if len(password) < MINIMUM_LENGTH or password.casefold() == username.casefold():
        raise PasswordTooWeakError(minimum=MINIMUM_LENGTH)


async def hash_password(password: str) -> str:
    """Argon2id, in a thread: it takes tens of milliseconds on purpose."""
    return await asyncio.to_thread(_HASHER.hash, password)


async def password_matches(password_hash: str | None, password: str) -> bool:
    """Whether this is the password; takes equally long where there is none to compare with."""

    def matches() -> bool:
        try:
            _HASHER.verify(password_hash or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    return await asyncio.to_thread(matches)


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(password_hash)


def new_password() -> str:
    """A random password of 120 bits that can be typed."""
    return secrets.token_urlsafe(15)


def new_token() -> str:
    """A random bearer token of 256 bits."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> bytes:
    """What is kept of a token. A fast hash is enough: there is nothing to guess in 256 random bits."""
    return sha256(token.encode()).digest()
