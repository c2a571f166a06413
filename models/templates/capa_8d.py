"""CAPA by the eight disciplines, with the effectiveness decision back to the root cause.

Source: IATF 16949 clauses 10.2.3 to 10.2.6; ISO 13485 clauses 8.5.2 and 8.5.3; 21 CFR 820.100.
Subject: a CAPA. Its forms are in ``capa_forms``.
"""

from models.templates import capa_forms
from models.templates.shape import (
    Json,
    ProcessTemplate,
    approval,
    approval_template,
    checklist,
    decision,
    document,
    edge,
    form,
    in_series,
    process_graph,
    step,
    terminal,
)

IMPLEMENTATION_TASKS = (
    "Corrective actions carried out as planned",
    "Drawings, specifications and work instructions revised and released",
    "Tooling, fixtures and error-proofing devices changed and checked",
    "Affected people trained, with record",
    "Stock and work in process sorted, reworked or scrapped",
    "Suppliers and customers informed where affected",
    "First pieces after the change measured and accepted",
    "Containment actions ended or kept with a reason",
)
"""What is ticked when the corrective actions are in place."""

APPROVER_ROLES = ("approver", "quality_manager")


def template() -> ProcessTemplate:
    """The 8D process of one CAPA."""
    return ProcessTemplate(
        key="CAPA_8D",
        name="CAPA 8D",
        description="Corrective and preventive action by the eight disciplines.",
        category="quality",
        subject_type="CAPA",
        graph=process_graph(
            [*_understand(), *_act(), *_confirm()],
            [
                *in_series("d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "closure"),
                # Effective: yes closes the CAPA; no means that the cause was not found.
                edge("d8", "d4", "alternate"),
            ],
        ),
        document_types=(
            {"key": "five_why_analysis", "name": "5-Why Analysis"},
            {"key": "fishbone_diagram", "name": "Fishbone Diagram"},
            {"key": "implementation_evidence", "name": "Evidence of Implementation"},
            {"key": "effectiveness_evidence", "name": "Effectiveness Evidence"},
        ),
        approval_templates=(
            approval_template("capa_containment", "Containment Approval", APPROVER_ROLES, due_in="P1D"),
            approval_template("capa_corrective_action", "CA Approval", APPROVER_ROLES),
            approval_template("capa_final", "CAPA Final Approval", ("quality_manager",)),
        ),
    )


def _understand() -> list[Json]:
    """D1 to D4: team, problem, containment, cause."""
    return [
        step(
            "d1",
            "D1: Team Formation",
            form("team-members", "Team Members", *capa_forms.team_members()),
            description="Name the people who know the product and the process.",
            expected_duration="P1D",
        ),
        step(
            "d2",
            "D2: Problem Description",
            form("problem-statement", "Problem Statement", *capa_forms.problem_statement()),
            description="Say what is wrong in facts that can be measured.",
            expected_duration="P1D",
        ),
        step(
            "d3",
            "D3: Containment",
            form("containment-actions", "Containment Actions", *capa_forms.containment_actions()),
            approval("containment-approval", "Containment Approval", "capa_containment"),
            description="Protect the customer until the permanent action works.",
            expected_duration="P2D",
            escalate_on_overdue=True,
        ),
        step(
            "d4",
            "D4: Root Cause Analysis",
            document("five-why-analysis", "5-Why Analysis", "five_why_analysis"),
            document("fishbone-diagram", "Fishbone Diagram", "fishbone_diagram"),
            description="Find and prove why it happened and why it was not detected.",
            expected_duration="P10D",
        ),
    ]


def _act() -> list[Json]:
    """D5 to D7: plan, carry out, prevent."""
    return [
        step(
            "d5",
            "D5: Corrective Actions",
            form(
                "corrective-action-plan",
                "Corrective Action Plan",
                *capa_forms.corrective_action_plan(),
            ),
            approval("ca-approval", "CA Approval", "capa_corrective_action"),
            description="Choose permanent actions against the proven causes.",
            expected_duration="P5D",
        ),
        step(
            "d6",
            "D6: Implementation",
            checklist("implementation-tasks", "Implementation Tasks", *IMPLEMENTATION_TASKS),
            document(
                "evidence-of-implementation",
                "Evidence of Implementation",
                "implementation_evidence",
            ),
            description="Put the actions in place and show that they are.",
            expected_duration="P20D",
        ),
        step(
            "d7",
            "D7: Preventive Actions",
            form("preventive-measures", "Preventive Measures", *capa_forms.preventive_measures()),
            description="Change the system, so that it cannot come back here or elsewhere.",
            expected_duration="P10D",
        ),
    ]


def _confirm() -> list[Json]:
    """D8 and closure."""
    return [
        decision(
            "d8",
            "D8: Verification",
            document("effectiveness-evidence", "Effectiveness Evidence", "effectiveness_evidence"),
            description="Was it effective? Yes closes it, no leads back to the root cause.",
            expected_duration="P30D",
        ),
        terminal(
            "closure",
            "Closure",
            "completed",
            approval("final-approval", "Final Approval", "capa_final"),
            description="Quality confirms the record and closes it.",
            expected_duration="P5D",
        ),
    ]
