"""Signature: an electronic signature by a person who proves anew who they are (21 CFR 11.50, 11.70, 11.200).

The password is checked before (`models.requirements.giving` is told `proven`) and never comes here.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from models.permissions import ASSIGNABLE_ROLES
from models.requirements.base import (
    Asked,
    Config,
    ConfigProblem,
    Gate,
    Giving,
    Json,
    Key,
    Look,
    RequirementKind,
    invalid,
    parsed,
)
from models.store.content import content_hash
from models.store.gate_errors import (
    AlreadySignedError,
    ContentChangedError,
    NoSelfSignatureError,
    ReauthenticationFailedError,
    SignatureRoleRequiredError,
)
from models.store.signatures import add_signature, valid_signatures
from models.store.views import moment
from models.store.voids import void_signatures
from models.store.workers import workers_of
from models.tables import StepExecution

MEANINGS: Final = (
    "authored", "performed", "verified", "reviewed", "approved", "released", "accepted", "rejected", "witnessed",
)  # fmt: skip
"""The controlled list (21 CFR 11.50(a)(3)); a requirement may allow a part of it."""


class SignatureConfig(Config):
    """Who signs what.

    Attributes:
        meaning, meanings: of `MEANINGS`; any of them unless told.
        role, roles: the signer holds one of these; anybody who may work here unless told.
        count: how many signatures; always by different persons.
        distinct: the signer has not met another signature requirement of this execution.
        independent: the signer did and wrote no part of the work.
    """

    meaning: str | None = None
    meanings: tuple[str, ...] = ()
    role: str | None = None
    roles: tuple[str, ...] = ()
    count: int = Field(default=1, ge=1, le=20)
    distinct: bool = False
    independent: bool = False

    @property
    def allowed_meanings(self) -> tuple[str, ...]:
        """What may be meant."""
        return self.meanings + ((self.meaning,) if self.meaning else ()) or MEANINGS

    @property
    def allowed_roles(self) -> tuple[str, ...]:
        """Who may sign; empty: whoever may work here."""
        return self.roles + ((self.role,) if self.role else ())


class Signing(BaseModel):
    """What is sent, but for the password."""

    model_config = ConfigDict(extra="forbid")

    meaning: str
    content_hash: str | None = None


class SignatureKind(RequirementKind):
    """Evidence: `{"signature_ids": [...]}`; the signatures themselves are rows that nobody changes."""

    name = "signature"
    config_model = SignatureConfig
    needs_password = True
    only_by_holder = False

    def further_problems(self, config: SignatureConfig) -> Iterable[ConfigProblem]:
        """Meanings and roles are of the controlled lists."""
        for meaning in sorted(set(config.allowed_meanings) - set(MEANINGS)):
            allowed = ", ".join(MEANINGS)
            yield ConfigProblem("config_invalid", "/meaning", f"'{meaning}' is no meaning. Allowed: {allowed}.")
        for role in sorted(set(config.allowed_roles) - ASSIGNABLE_ROLES):
            yield ConfigProblem("config_invalid", "/role", f"There is no role '{role}'.")

    async def unmet(self, look: Look, asked: Sequence[Asked]) -> dict[Key, str]:
        """One query: the signatures that are not void."""
        executions = [execution.id for _, at in asked for execution in at]
        signers: dict[Key, set[object]] = {}
        for row in await valid_signatures(look.session, look.tenant_id, executions):
            signers.setdefault((row["execution_id"], row["requirement_id"]), set()).add(row["signer_id"])
        found: dict[Key, str] = {}
        for gate, at in asked:
            config = SignatureConfig(**gate.requirement.config)
            by = f" by {' or '.join(config.allowed_roles)}" if config.allowed_roles else ""
            for execution in at:
                signed = len(signers.get((execution.id, gate.id), ()))
                if signed < config.count:
                    found[execution.id, gate.id] = f"{signed} of {config.count} signatures{by}"
        return found

    async def give(self, giving: Giving) -> Json:
        """Sign what is there now.

        Raises:
            StoreError: reauthentication_failed, signature_role_required, evidence_invalid, already_signed,
                no_self_signature, content_changed.
        """
        config, said, person = SignatureConfig(**giving.config), parsed(Signing, giving.evidence), giving.person
        if not giving.proven:
            raise ReauthenticationFailedError
        if said.meaning not in config.allowed_meanings:
            allowed = ", ".join(config.allowed_meanings)
            raise invalid("/meaning", f"'{said.meaning}' cannot be meant here. Allowed: {allowed}.")
        if config.allowed_roles and not set(config.allowed_roles) & set(person.roles):
            raise SignatureRoleRequiredError(roles=", ".join(config.allowed_roles))
        if not config.allowed_roles:
            person.must("evidence.give")
        await _check_person(giving, config)
        shown = await content_hash(giving.session, giving.execution)
        if said.content_hash is not None and said.content_hash != shown:
            raise ContentChangedError(content_hash=shown)
        signature = uuid4()
        await add_signature(
            giving.session, giving.link, giving.person,
            signature_id=signature, requirement_id=giving.gate.id, meaning=said.meaning, content_hash=shown,
            now=giving.now,
        )  # fmt: skip
        return {"signature_ids": [*giving.before.get("signature_ids", ()), str(signature)]}

    async def withdraw(self, giving: Giving) -> None:
        """Void the signatures of this requirement; the rows stay."""
        rows = await valid_signatures(giving.session, giving.tenant_id, [giving.execution.id])
        mine = [row for row in rows if row["requirement_id"] == giving.gate.id]
        links = {giving.execution.id: giving.link}
        await void_signatures(giving.session, giving.person.actor, links, mine, giving.reason, giving.now, keep=True)

    async def shown(self, look: Look, execution: StepExecution, gate: Gate) -> Json:
        """Who signed, with printed name, moment and meaning (21 CFR 11.50)."""
        config = SignatureConfig(**gate.requirement.config)
        rows = await valid_signatures(look.session, look.tenant_id, [execution.id])
        return {
            "meanings": list(config.allowed_meanings),
            "signatures": [
                {
                    "id": str(row["id"]),
                    "signer": str(row["signer_id"]),
                    "printed_name": row["printed_name"],
                    "meaning": row["meaning"],
                    "content_hash": row["content_hash"],
                    "signed_at": moment(row["signed_at"]),
                }
                for row in rows
                if row["requirement_id"] == gate.id
            ],
        }


async def _check_person(giving: Giving, config: SignatureConfig) -> None:
    rows = await valid_signatures(giving.session, giving.tenant_id, [giving.execution.id])
    signed = {row["requirement_id"] for row in rows if row["signer_id"] == giving.person.id}
    if giving.gate.id in signed or (config.distinct and signed):
        raise AlreadySignedError
    if config.independent:
        workers = await workers_of(giving.session, giving.tenant_id, [giving.execution.id])
        if str(giving.person.id) in workers.get(giving.execution.id, frozenset()):
            raise NoSelfSignatureError
