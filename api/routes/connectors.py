"""Connectors: other systems that automatic steps speak to. Whoever draws processes sees them, never their secrets."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from api.deps import Caller, Db, Held, needs
from api.paging import Page, page, word_after
from api.problems import Problem, responses
from api.schemas import connectors as shapes
from api.services import Services
from models.secret_box import secret_box
from models.store import connectors as store

router = APIRouter(tags=["connectors"])

READ: Final = [Depends(needs("process.edit"))]
MANAGE: Final = [Depends(needs("connector.manage"))]


def rules(held: Services) -> store.ConnectorRules:
    """What this deployment says about connectors."""
    settings = held.settings
    return store.ConnectorRules(box=secret_box(settings), private_allowed=settings.private_targets_allowed)


@router.get(
    "/api/connectors/",
    response_model=shapes.Connectors,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_connectors(caller: Caller, session: Db, asked: Page) -> Any:
    """Connectors by key; secrets are never shown."""
    found = await store.list_connectors(session, caller.tenant_id, limit=asked.fetch, after=word_after(asked))
    return JSONResponse(page(found, asked, key=lambda row: [row["key"]], show=store.connector_json))


@router.post(
    "/api/connectors/",
    status_code=201,
    response_model=shapes.ConnectorShown,
    dependencies=MANAGE,
    responses=responses("forbidden", "connector_key_taken", "connector_target_refused"),
)
async def create_connector(caller: Caller, session: Db, held: Held, body: shapes.NewConnector) -> Any:
    """Let automatic steps speak to another system. What it proves who we are with is kept encrypted."""
    row = await store.create_connector(
        session,
        caller.person,
        rules(held),
        key=body.key,
        name=body.name,
        base_url=body.base_url,
        credentials=body.auth.credentials(),
    )
    return JSONResponse(store.connector_json(row), 201, headers={"Location": f"/api/connectors/{row['id']}/"})


@router.get(
    "/api/connectors/{connector_id}/",
    response_model=shapes.ConnectorShown,
    dependencies=READ,
    responses=responses("forbidden", "connector_unknown"),
)
async def get_connector(connector_id: UUID, caller: Caller, session: Db) -> Any:
    """One connector."""
    return JSONResponse(store.connector_json(await store.connector_of(session, caller.tenant_id, connector_id)))


@router.patch(
    "/api/connectors/{connector_id}/",
    response_model=shapes.ConnectorShown,
    dependencies=MANAGE,
    responses=responses(
        "forbidden", "connector_unknown", "connector_target_refused", "connector_secret_needed", "nothing_to_change"
    ),
)
async def change_connector(
    connector_id: UUID, caller: Caller, session: Db, held: Held, body: shapes.ChangedConnector
) -> Any:
    """Change it; the next request of a step follows. One that leads to another host needs its secret again."""
    values = body.model_dump(exclude_none=True, exclude={"auth"})
    if not values and body.auth is None:
        raise Problem("nothing_to_change")
    credentials = None if body.auth is None else body.auth.credentials()
    row = await store.change_connector(session, caller.person, rules(held), connector_id, values, credentials)
    return JSONResponse(store.connector_json(row))


@router.delete(
    "/api/connectors/{connector_id}/",
    status_code=204,
    response_class=Response,
    dependencies=MANAGE,
    responses=responses("forbidden", "connector_unknown"),
)
async def delete_connector(connector_id: UUID, caller: Caller, session: Db) -> Response:
    """Take it away. Steps that name it stop in an incident, which goes on once there is one of its key again."""
    await store.delete_connector(session, caller.person, connector_id)
    return Response(status_code=204)
