"""Quality reports: what inspections said, for decisions by quality result and for the record."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from api.deps import Caller, Db, needs
from api.paging import Page, moment_after, page
from api.problems import responses
from api.schemas import quality as shapes
from models.enums import QualityStatus
from models.store.quality import list_quality_reports, quality_report, report_json, report_quality

router = APIRouter(tags=["quality"])

READ = [Depends(needs("subject.read"))]


@router.get(
    "/api/quality-reports/",
    response_model=shapes.QualityReports,
    dependencies=READ,
    responses=responses("forbidden", "cursor_invalid"),
)
async def list_all_quality_reports(
    caller: Caller,
    session: Db,
    asked: Page,
    subject: UUID | None = None,
    execution: UUID | None = None,
    status: QualityStatus | None = None,
) -> Any:
    """Reports, newest first."""
    found = await list_quality_reports(
        session,
        caller.tenant_id,
        subject=subject,
        execution=execution,
        status=None if status is None else status.value,
        after=moment_after(asked),
        limit=asked.fetch,
    )
    shown = page(found, asked, key=lambda row: [row["at"].isoformat(), str(row["id"])], show=report_json)
    return JSONResponse(shown)


@router.post(
    "/api/quality-reports/",
    status_code=201,
    response_model=shapes.QualityReport,
    dependencies=[Depends(needs("quality.report"))],
    responses=responses("forbidden", "not_found", "execution_unknown"),
)
async def create_quality_report(caller: Caller, session: Db, body: shapes.NewQualityReport) -> Any:
    """Add a report; decisions by quality result about the subject are looked at again."""
    shown = await report_quality(session, caller.person, body.model_dump(), datetime.now(UTC))
    return JSONResponse(shown, 201, headers={"Location": f"/api/quality-reports/{shown['id']}/"})


@router.get(
    "/api/quality-reports/{report_id}/",
    response_model=shapes.QualityReport,
    dependencies=READ,
    responses=responses("forbidden", "not_found"),
)
async def get_quality_report(report_id: UUID, caller: Caller, session: Db) -> Any:
    """One report."""
    return JSONResponse(await quality_report(session, caller.tenant_id, report_id))
