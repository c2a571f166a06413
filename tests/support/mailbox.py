"""A real SMTP server on loopback that keeps what it is given, and refuses what a test wants refused."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from workers.embedded.process import free_ports


class Mailbox:
    """Messages in the order in which they came."""

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        """Not listening yet; with a `login`, nobody else is let in."""
        self._login = login
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answers: list[str] = []
        """What to say to the next messages instead of taking them, `451 try later` for example."""
        (self.port,) = free_ports([0])
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            authenticator=self._let_in,
            auth_require_tls=False,
        )

    def _let_in(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: object) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self._login, handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a message, unless told otherwise."""
        if self.answers:
            return self.answers.pop(0)
        if self._login is not None and not session.authenticated:
            return "530 log in first"
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 taken"

    def parts(self, number: int = -1) -> tuple[str, str]:
        """Text and HTML of a message."""
        found = {part.get_content_type(): str(part.get_content()) for part in self.mails[number].walk()
                 if not part.is_multipart()}  # fmt: skip
        return found["text/plain"], found["text/html"]

    def __enter__(self) -> Self:
        """Listen, in a thread of its own."""
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self._controller.stop()
