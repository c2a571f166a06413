"""Every setting of the product, in one place, read from the environment.

Here belongs what an administrator may choose. Not here: what a tenant chooses in the browser (that is a
row), and the connection to Temporal, which Temporal's own ``TEMPORAL_*`` variables and TOML profiles
describe (``temporalio.envconfig``); this class only notices whether one was given.
"""

import os
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

TEMPORAL_VARIABLES: Final = (
    "TEMPORAL_ADDRESS",
    "TEMPORAL_CONFIG_FILE",
    "TEMPORAL_PROFILE",
)
"""Any of these says that a Temporal server is given; no embedded one is started then."""


class LogLevel(StrEnum):
    """How much is logged; uvicorn and the standard library take the same words."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class SmtpTls(StrEnum):
    """How the connection to the SMTP server is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Settings(BaseSettings):
    """What an administrator may choose; each field is the variable ``GATEWORK_<FIELD>``.

    ``DATABASE_URL``, ``APP_DATABASE_URL`` and ``SYSTEM_DATABASE_URL`` carry no prefix, as hosting
    platforms expect. A file ``.env`` in the working directory is read too; the environment wins.
    """

    model_config = SettingsConfigDict(
        env_prefix="GATEWORK_",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: SecretStr | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description=(
            "PostgreSQL 15 or newer, as postgresql://user:password@host:port/name. "
            "The user owns the schema and runs the migrations. Unset: `gatework dev` starts its own."
        ),
    )
    app_database_url: SecretStr | None = Field(
        default=None,
        validation_alias="APP_DATABASE_URL",
        description=(
            "Login of the application role, bound by row-level security. "
            "Unset: connect with DATABASE_URL and become gatework_app."
        ),
    )
    system_database_url: SecretStr | None = Field(
        default=None,
        validation_alias="SYSTEM_DATABASE_URL",
        description=(
            "Login of the role for work across tenants: dispatcher, sweep, login. "
            "Unset: connect with DATABASE_URL and become gatework_system."
        ),
    )
    database_pool_size: int = Field(
        default=10, ge=1, le=200, description="Database connections that one process may hold."
    )

    data_dir: Path = Field(
        default=Path(".gatework"),
        description=(
            "Folder for uploaded documents, logs and, with `gatework dev`, the databases. "
            "Back it up; it is never emptied by Gatework."
        ),
    )
    postgres_durable: bool = Field(
        default=True,
        description=(
            "Whether the embedded PostgreSQL waits for the disk (fsync). "
            "False is for tests only: a power cut may then destroy the database."
        ),
    )

    api_host: str = Field(
        default="127.0.0.1",
        description="Address the HTTP API listens on; 0.0.0.0 for every network interface.",
    )
    api_port: int = Field(default=8000, ge=1, le=65535, description="Port of the HTTP API and the web app.")
    public_url: str | None = Field(
        default=None,
        description=(
            "Address under which people reach the app, such as https://gatework.example.com. "
            "Unset: taken from api_host and api_port."
        ),
    )
    forwarded_allow_ips: str = Field(
        default="127.0.0.1",
        description="Proxies whose X-Forwarded-* headers are believed, comma-separated.",
    )
    shutdown_seconds: float = Field(
        default=20,
        ge=0,
        le=600,
        description="Seconds that requests and activities get to finish when a process is to stop.",
    )
    sweep_seconds: int = Field(
        default=60,
        ge=1,
        le=3600,
        description="Seconds between two looks of the sweep, which takes up whatever was left behind.",
    )

    token_ttl: timedelta = Field(
        default=timedelta(hours=12),
        gt=timedelta(0),
        description="How long an access token lasts, as an ISO 8601 duration (PT12H).",
    )
    admin_username: str = Field(
        default="admin",
        min_length=1,
        description="Username of the first administrator, made when there is no user yet.",
    )
    admin_password: SecretStr | None = Field(
        default=None,
        description=(
            "Password of the first administrator. Unset: one is made up and shown once. "
            "Without effect when there are users."
        ),
    )

    document_max_bytes: int = Field(
        default=25 * 1024 * 1024,
        ge=1,
        description="Largest file that may be uploaded, in bytes (25 MiB unless told).",
    )
    document_release_four_eyes: bool = Field(
        default=False, description="Whether a document may not be released by the person who uploaded it."
    )
    command_wait_seconds: float = Field(
        default=10,
        ge=0,
        le=60,
        description="Seconds the API waits for a command's outcome before it answers 202.",
    )

    message_retention: timedelta = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description=(
            "How long a message from outside waits for subjects of later instances, as an ISO 8601 duration (P30D)."
        ),
    )

    site: str = Field(
        default="main",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Key of the site this worker serves; its queue is site-<key>.",
    )
    core_task_queue: str = Field(
        default="gatework-core",
        min_length=1,
        description="Temporal task queue of instance workflows and database activities.",
    )
    run_core: bool = Field(
        default=True,
        description="Whether this worker serves the core queue; False for one without database access.",
    )
    run_site: bool = Field(default=True, description="Whether this worker serves the queue of its site.")
    max_concurrent_activities: int = Field(
        default=100, ge=1, le=5000, description="Activities that one worker process runs at once."
    )
    max_cached_workflows: int = Field(
        default=1000,
        ge=1,  # With none the SDK takes a run out of memory while its local activity runs, and that begins anew.
        description="Open instances that one worker keeps in memory, at about 200 KiB each.",
    )

    secret_key: SecretStr | None = Field(
        default=None,
        description=(
            "Encrypts secrets that tenants store (webhooks, connectors, channels); the same for API and workers. "
            "Several, comma-separated: the first encrypts, all decrypt. Unset: one is made in data_dir/secret.key."
        ),
    )
    smtp_host: str | None = Field(
        default=None, description="SMTP server for e-mail notices. Unset: nobody gets e-mail, only notices in the app."
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the SMTP server.")
    smtp_user: str | None = Field(default=None, description="Login at the SMTP server. Unset: without login.")
    smtp_password: SecretStr | None = Field(default=None, description="Password of that login at the SMTP server.")
    smtp_from: str = Field(
        default="Gatework <gatework@localhost>",
        min_length=3,
        description="Sender of e-mail notices, as an address or Name <address>.",
    )
    smtp_tls: SmtpTls = Field(
        default=SmtpTls.STARTTLS,
        description="starttls, tls (from the first byte, port 465) or none (only within a trusted network).",
    )
    apprise_allowed: bool = Field(
        default=True, description="Whether administrators may send notices to Teams, Slack and the like (Apprise)."
    )
    private_targets_allowed: bool = Field(
        default=False,
        description=(
            "Whether webhooks, connectors, automatic steps and channels may lead into the own network (private or "
            "loopback addresses, plain http). Leave it off where tenants do not administer this network themselves."
        ),
    )
    delivery_retries: str = Field(
        default="5,300,1800,7200,18000,36000,50400,72000,86400",
        pattern=r"^\d+(\.\d+)?(,\d+(\.\d+)?)*$",
        description="Seconds before each repeat of a message that could not be delivered; after the last it is dead.",
    )

    delivery_retention: timedelta = Field(
        default=timedelta(days=90),
        gt=timedelta(0),
        description=(
            "How long messages that were delivered are listed, as an ISO 8601 duration (P90D); then the sweep deletes "
            "them. Dead letters stay, unless whom they were for was deleted."
        ),
    )

    log_level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error.")
    log_json: bool = Field(default=False, description="Whether logs are JSON lines, for a log collector.")

    @cached_property
    def state_dir(self) -> Path:
        """Absolute form of ``data_dir``; not created here."""
        return self.data_dir.expanduser().resolve()

    @property
    def retry_pauses(self) -> tuple[timedelta, ...]:
        """``delivery_retries`` as durations."""
        return tuple(timedelta(seconds=float(one)) for one in self.delivery_retries.split(","))

    @property
    def base_url(self) -> str:
        """Address of the app without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.api_host in {"0.0.0.0", "::"} else self.api_host  # noqa: S104
        return f"http://{host}:{self.api_port}"

    @property
    def temporal_is_given(self) -> bool:
        """Whether the environment names a Temporal server to use instead of the embedded one."""
        return any(os.environ.get(name) for name in TEMPORAL_VARIABLES)
