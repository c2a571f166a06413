"""The connection to Temporal, as its own environment variables and TOML profiles describe it.

``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_API_KEY``, ``TEMPORAL_TLS_*`` and the profiles of
``TEMPORAL_CONFIG_FILE`` work as Temporal documents them.
"""

from collections.abc import Mapping

from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from workflows.converter import data_converter


async def connect(variables: Mapping[str, str] | None = None) -> Client:
    """Connect; values travel as the core's dataclasses through Pydantic.

    Args:
        variables: Instead of the process's environment.

    Raises:
        RuntimeError: Temporal does not answer.
    """
    config = ClientConfig.load_client_connect_config(override_env_vars=None if variables is None else dict(variables))
    config.setdefault("target_host", "localhost:7233")
    return await Client.connect(**config, data_converter=data_converter)
