"""E-mails: how a notice or a digest becomes a message, and how it is handed to the SMTP server."""

from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Final

import aiosmtplib
from markupsafe import Markup
from sqlalchemy import RowMapping

from models.notices.render import one_line, page, paragraphs
from models.settings import Settings, SmtpTls
from models.store.deliveries import Result

TIMEOUT_SECONDS: Final = 30.0
PERMANENT: Final = range(500, 600)
"""SMTP's answers of this kind will not change by trying again (RFC 5321, 4.2.1)."""


def compose(rows: Sequence[RowMapping], settings: Settings) -> EmailMessage:
    """One notice as it reads, or several as a digest; all of them to the same person."""
    first, base = rows[0], settings.base_url
    links = [("Open in Gatework", base + first["link"])] if len(rows) == 1 and first["link"] else []
    if len(rows) == 1:
        subject, text, html = first["title"], first["body"], first["payload"]["html"] or paragraphs(first["body"])
        text += f"\n\n{base}{first['link']}" if first["link"] else ""
    else:
        subject = f"Gatework: {len(rows)} notices"
        text = "\n\n".join(_entry(row, base) for row in rows)
        html = "\n".join(_html_entry(row, base) for row in rows)
    return message(
        identity=str(first["id"]), name=first["name"], address=first["email"], subject=subject, text=text,
        html=page(html, links), settings=settings,
    )  # fmt: skip


def message(
    *, identity: str, name: str, address: str, subject: str, text: str, html: str, settings: Settings
) -> EmailMessage:
    """An e-mail. What comes from outside is made one line before it gets into a header; `EmailMessage` refuses others.

    The id stays the same when it is sent again, so that mailboxes can tell a repeat.
    """
    own_name, own_address = parseaddr(settings.smtp_from)
    mail = EmailMessage()
    mail["Subject"] = one_line(subject)
    mail["From"] = Address(display_name=one_line(own_name), addr_spec=own_address)
    mail["To"] = Address(display_name=one_line(name), addr_spec=address)
    mail["Message-ID"] = f"<{identity}@{own_address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(text + "\n")
    mail.add_alternative(html, subtype="html")
    return mail


async def send_mail(mail: EmailMessage, settings: Settings) -> Result:
    """Hand a message to the SMTP server of the settings."""
    if settings.smtp_host is None:
        return Result(error="there is no SMTP server (GATEWORK_SMTP_HOST)", final=True)
    try:
        await aiosmtplib.send(
            mail,
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user,
            password=None if settings.smtp_password is None else settings.smtp_password.get_secret_value(),
            use_tls=settings.smtp_tls is SmtpTls.TLS,
            start_tls=settings.smtp_tls is SmtpTls.STARTTLS,
            timeout=TIMEOUT_SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        return Result(error=f"{refused.code} {refused.message}"[:500], final=refused.code in PERMANENT)
    except aiosmtplib.SMTPResponseException as error:
        return Result(error=f"{error.code} {error.message}"[:500], final=_is_final(error))
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return Result(error=f"{type(error).__name__}: {error}"[:500])
    return Result()


def _is_final(error: aiosmtplib.SMTPResponseException) -> bool:
    """A refused login is ours to mend in the settings, so the message waits; a refused message stays refused."""
    return error.code in PERMANENT and not isinstance(error, aiosmtplib.SMTPAuthenticationError)


def _entry(row: RowMapping, base: str) -> str:
    link = f"\n{base}{row['link']}" if row["link"] else ""
    return f"{row['title']}\n{row['body']}{link}"


def _html_entry(row: RowMapping, base: str) -> str:
    title = Markup("<h3>{}</h3>").format(row["title"])
    link = Markup('<p><a href="{}">Open</a></p>').format(base + row["link"]) if row["link"] else Markup("")
    return f"{title}\n{row['payload']['html'] or paragraphs(row['body'])}\n{link}"
