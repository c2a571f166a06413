"""Document approval: draft, technical review, management approval with signature, released.

Source: ISO 13485 clause 4.2.4, IATF 16949 clause 7.5.3. Subject: a Document.
"""

from models.templates.shape import (
    ProcessTemplate,
    approval,
    approval_template,
    document,
    in_series,
    process_graph,
    signature,
    step,
    terminal,
)


def template() -> ProcessTemplate:
    """The approval of one controlled document."""
    return ProcessTemplate(
        key="DOCUMENT_APPROVAL",
        name="Document Approval",
        description="A controlled document from draft to release.",
        category="document",
        subject_type="Document",
        graph=process_graph(
            [
                step(
                    "draft",
                    "Draft",
                    # The content is what this process releases, so here a draft must count.
                    document(
                        "document-content",
                        "Document Content",
                        "controlled_document",
                        allow_draft=True,
                    ),
                    description="Write or revise the document.",
                    expected_duration="P10D",
                ),
                step(
                    "review",
                    "Review",
                    approval("technical-review", "Technical Review", "document_technical_review"),
                    description="A subject-matter expert other than the author checks the content.",
                    expected_duration="P5D",
                ),
                step(
                    "approve",
                    "Approve",
                    approval(
                        "management-approval",
                        "Management Approval",
                        "document_management_approval",
                    ),
                    signature(
                        "electronic-signature",
                        "Electronic Signature",
                        meaning="approved",
                        role="quality_manager",
                    ),
                    description="Management takes responsibility for putting it into force.",
                    expected_duration="P5D",
                ),
                terminal("released", "Released", "completed", description="In force."),
            ],
            in_series("draft", "review", "approve", "released"),
        ),
        document_types=({"key": "controlled_document", "name": "Controlled Document"},),
        approval_templates=(
            approval_template(
                "document_technical_review",
                "Technical Review",
                ("engineer", "approver"),
                stage="Technical review",
            ),
            approval_template(
                "document_management_approval",
                "Management Approval",
                ("quality_manager",),
                stage="Management approval",
            ),
        ),
    )
