"""APQP: the five phases of advanced product quality planning, gate by gate.

Source: AIAG APQP reference manual, phases 1 to 5; IATF 16949 clause 8.3. Subject: a PartType.
"""

from models.templates.shape import (
    Json,
    ProcessTemplate,
    approval,
    approval_template,
    checklist,
    child_workflow,
    document,
    in_series,
    process_graph,
    step,
    terminal,
)

DESIGN_VERIFICATION = (
    "Special characteristics identified and marked on the drawing",
    "Tolerance stack-up analysed for every functional dimension",
    "Material and surface treatment specified to a current standard",
    "DFMEA actions with high action priority closed or dispositioned",
    "Prototype dimensions confirmed against the drawing",
    "Functional and durability tests of the verification plan passed",
    "Safety, regulatory and substance restrictions confirmed",
    "Manufacturability and assembly reviewed with production",
    "Packaging, labelling and traceability requirements defined",
    "Open design review points closed",
)
"""What is ticked before Phase Gate 2."""

GATE_ROLES = ("approver", "quality_manager")


def template() -> ProcessTemplate:
    """The APQP process of a part type, from planning to production."""
    return ProcessTemplate(
        key="APQP",
        name="Advanced Product Quality Planning",
        description="New product introduction in five gated phases, ending with PPAP approval.",
        category="npi",
        subject_type="PartType",
        graph=process_graph(
            _steps(),
            in_series("planning", "product-design", "process-design", "validation", "production"),
        ),
        document_types=tuple(
            {"key": key, "name": name}
            for key, name in (
                ("project_charter", "Project Charter"),
                ("timing_plan", "Timing Plan"),
                ("dfmea", "Design FMEA"),
                ("design_review_minutes", "Design Review Minutes"),
                ("pfmea", "Process FMEA"),
                ("control_plan", "Control Plan"),
                ("process_flow_diagram", "Process Flow Diagram"),
                ("msa_report", "Measurement System Analysis Report"),
                ("capability_study", "Process Capability Study"),
                ("ppap_package", "PPAP Package"),
            )
        ),
        approval_templates=(
            approval_template("apqp_gate_1", "APQP Phase Gate 1", GATE_ROLES),
            approval_template("apqp_gate_2", "APQP Phase Gate 2", GATE_ROLES),
            approval_template("apqp_gate_3", "APQP Phase Gate 3", GATE_ROLES),
            approval_template(
                "apqp_customer_ppap",
                "Customer PPAP Approval",
                ("quality_manager",),
                due_in="P10D",
                stage="Customer decision, recorded by quality",
            ),
        ),
        child_templates=("MANUFACTURING",),
    )


def _steps() -> list[Json]:
    return [
        step(
            "planning",
            "Planning",
            document("project-charter", "Project Charter", "project_charter"),
            document("timing-plan", "Timing Plan", "timing_plan"),
            approval("phase-gate-1", "Phase Gate 1", "apqp_gate_1"),
            description="Agree on scope, targets, team and timing.",
            expected_duration="P20D",
        ),
        step(
            "product-design",
            "Product Design",
            document("dfmea", "DFMEA", "dfmea"),
            document("design-review-minutes", "Design Review Minutes", "design_review_minutes"),
            checklist("design-verification", "Design Verification", *DESIGN_VERIFICATION),
            approval("phase-gate-2", "Phase Gate 2", "apqp_gate_2"),
            description="Design and verify the product.",
            expected_duration="P60D",
        ),
        step(
            "process-design",
            "Process Design",
            document("pfmea", "PFMEA", "pfmea"),
            document("control-plan", "Control Plan", "control_plan"),
            document("process-flow-diagram", "Process Flow Diagram", "process_flow_diagram"),
            approval("phase-gate-3", "Phase Gate 3", "apqp_gate_3"),
            description="Design the manufacturing process and how it is controlled.",
            expected_duration="P40D",
        ),
        step(
            "validation",
            "Validation",
            child_workflow(
                "pilot-run",
                "Pilot Run",
                "MANUFACTURING",
                count=1,
                subjects={"new": {"type": "Part", "count": 3}},
            ),
            document("msa-report", "MSA Report", "msa_report"),
            document("capability-study", "Capability Study", "capability_study"),
            document("ppap-package", "PPAP Package", "ppap_package"),
            approval("customer-ppap-approval", "Customer PPAP Approval", "apqp_customer_ppap"),
            description="Prove product and process in a production trial run.",
            expected_duration="P40D",
        ),
        terminal(
            "production",
            "Production",
            "completed",
            description="Released for series production.",
        ),
    ]
