"""Manufacturing: a small routing with a toleranced measurement, an inspection and a rework loop.

Source: IATF 16949 clauses 8.5.1 and 8.7.1.4; ISO 13485 clause 8.3.4. Subject: a Part.
APQP's pilot run starts it as a child.
"""

from models.templates.shape import (
    Json,
    ProcessTemplate,
    checklist,
    decision,
    edge,
    in_series,
    measurement,
    process_graph,
    step,
    terminal,
)

REWORK_LIMIT = 2
"""How often one part may be reworked; the next failed inspection scraps it."""


def template() -> ProcessTemplate:
    """The routing of one machined and assembled part."""
    return ProcessTemplate(
        key="MANUFACTURING",
        name="Manufacturing",
        description="Material issue to stock, with in-process measurement and limited rework.",
        category="manufacturing",
        subject_type="Part",
        graph=process_graph(
            _steps(),
            [
                *in_series("issue-material", "machining", "assembly", "final-inspection", "stock"),
                edge("final-inspection", "rework", "alternate"),
                edge("rework", "final-inspection"),
                edge("rework", "scrapped", "escalation"),
            ],
        ),
        measurement_definitions=(
            {
                "key": "bore_diameter",
                "name": "Bore Diameter (12 H7)",
                "unit": "mm",
                "nominal": "12.000",
                "upper_tol": "0.018",
                "lower_tol": "0.000",
                "sample_size": 1,
            },
        ),
    )


def _steps() -> list[Json]:
    return [
        step(
            "issue-material",
            "Issue Material",
            checklist(
                "material-release",
                "Material Release",
                "Material certificate matches the drawing",
                "Lot or heat number is on the traveler",
                "Shelf life and storage conditions are within limits",
            ),
            description="Draw released material and keep its lot traceable.",
            expected_duration="PT4H",
        ),
        step(
            "machining",
            "Machining",
            measurement("bore-diameter", "Bore Diameter", "bore_diameter"),
            checklist(
                "machine-setup",
                "Machine Setup",
                "Work instruction at its effective revision is at the machine",
                "Program and tool offsets match the setup sheet",
                "Gauge is within its calibration date",
                "Edges are deburred and the part is clean",
            ),
            description="Machine to drawing and measure the bore.",
            expected_duration="P1D",
        ),
        step(
            "assembly",
            "Assembly",
            checklist(
                "assembly-check",
                "Assembly Check",
                "Components match the bill of materials",
                "Fasteners are torqued and marked",
                "Serial number is applied and legible",
            ),
            description="Assemble and mark the part.",
            expected_duration="P1D",
        ),
        decision(
            "final-inspection",
            "Final Inspection",
            checklist(
                "inspection-record",
                "Inspection Record",
                "Dimensions inspected to the control plan",
                "Appearance inspected to the boundary samples",
                "Function tested",
                "Labels and traceability verified",
            ),
            description="Pass to stock, or fail to rework.",
            expected_duration="P1D",
        ),
        step(
            "rework",
            "Rework",
            checklist(
                "rework-record",
                "Rework Record",
                "Rework instruction approved for this nonconformity",
                "Rework carried out as instructed",
                "Reworked characteristic re-inspected",
            ),
            description="Correct the nonconformity, then inspect again.",
            expected_duration="P2D",
            step_type="rework",
            max_visits=REWORK_LIMIT,
        ),
        terminal("stock", "Stock", "stock", description="Accepted into stock."),
        terminal("scrapped", "Scrapped", "scrapped", description="Rejected for good."),
    ]
