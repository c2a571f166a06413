"""Errors of connectors that a person can cause; see `models.store.errors`."""

from models.store.errors import StoreError


class ConnectorUnknownError(StoreError):
    """There is no connector {connector} here; GET /api/connectors/ lists them."""

    code = "connector_unknown"


class ConnectorKeyTakenError(StoreError):
    """The key '{key}' is taken by another connector. Take another one, or change that one."""

    code = "connector_key_taken"


class ConnectorTargetRefusedError(StoreError):
    """Requests cannot be sent below this address: {detail}."""

    code = "connector_target_refused"


class ConnectorSecretNeededError(StoreError):
    """A connector that leads to another host needs its secret again: send `auth` with the new base_url."""

    code = "connector_secret_needed"
