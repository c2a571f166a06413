"""The kinds of subject that ship with the product.

No attribute is required: an integration or a child workflow may create the subject before its
data is known, and a process asks for what it needs with a requirement.
"""

from dataclasses import dataclass

from models.templates.shape import Json, date, one_of, optional_text, quantity, yes_no

ANY_IDENTIFIER = r"^\S(.{0,98}\S)?$"
"""1 to 100 characters without blanks at either end: plants have numbering schemes of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectTypeTemplate:
    """A kind of subject: what its attributes may be, and how its identifiers look (a regex)."""

    key: str
    name: str
    attributes_schema: Json
    identifier_pattern: str = ANY_IDENTIFIER


def _attributes(**properties: Json) -> Json:
    """A schema of attributes; others are welcome, as every plant has its own."""
    return {"type": "object", "properties": properties, "additionalProperties": True}


SUBJECT_TYPES: dict[str, SubjectTypeTemplate] = {
    one.key: one
    for one in (
        SubjectTypeTemplate(
            key="Part",
            name="Part",
            attributes_schema=_attributes(
                serial_number=optional_text("Serial number"),
                lot=optional_text("Lot"),
                part_type=optional_text("Part type"),
                revision=optional_text("Drawing revision"),
                work_order=optional_text("Work order"),
                heat_number=optional_text("Heat number"),
                manufactured_on=date("Manufactured on"),
                requires_sampling=yes_no("Requires sampling"),
            ),
        ),
        SubjectTypeTemplate(
            key="PartType",
            name="Part type",
            attributes_schema=_attributes(
                part_number=optional_text("Part number"),
                revision=optional_text("Drawing revision"),
                customer=optional_text("Customer"),
                program=optional_text("Vehicle or product program"),
                material=optional_text("Material"),
                safety_relevant=yes_no("Safety relevant"),
                annual_volume=quantity("Annual volume"),
                target_ppap_date=date("Target PPAP date"),
                ppap_level={"type": "integer", "minimum": 1, "maximum": 5, "title": "PPAP level"},
            ),
        ),
        SubjectTypeTemplate(
            key="CAPA",
            name="CAPA",
            attributes_schema=_attributes(
                severity=one_of("Severity", "critical", "major", "minor"),
                capa_type=one_of(
                    "Type",
                    "corrective",
                    "preventive",
                    "customer_complaint",
                    "internal_audit",
                    "supplier",
                ),
                source=optional_text("Source"),
                problem=optional_text("Problem"),
                product=optional_text("Product"),
                customer=optional_text("Customer"),
                complaint_number=optional_text("Complaint number"),
                detected_on=date("Detected on"),
                quantity_affected=quantity("Quantity affected"),
            ),
        ),
        SubjectTypeTemplate(
            key="Document",
            name="Document",
            attributes_schema=_attributes(
                document_number=optional_text("Document number"),
                document_type=optional_text("Document type"),
                revision=optional_text("Revision"),
                author=optional_text("Author"),
                department=optional_text("Department"),
                effective_from=date("Effective from"),
                review_due=date("Review due"),
            ),
        ),
        SubjectTypeTemplate(
            key="WorkOrder",
            name="Work order",
            attributes_schema=_attributes(
                erp_id=optional_text("ERP number"),
                part_type=optional_text("Part type"),
                customer_order=optional_text("Customer order"),
                quantity=quantity("Quantity"),
                priority=one_of("Priority", "low", "normal", "high", "urgent"),
                due_date=date("Due date"),
            ),
        ),
        SubjectTypeTemplate(
            key="Equipment",
            name="Equipment",
            attributes_schema=_attributes(
                serial_number=optional_text("Serial number"),
                manufacturer=optional_text("Manufacturer"),
                location=optional_text("Location"),
                calibrated_on=date("Calibrated on"),
                calibration_due=date("Calibration due"),
                status=one_of("Status", "in_use", "out_of_service"),
            ),
        ),
    )
}
