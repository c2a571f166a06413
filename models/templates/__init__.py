"""The processes and subject types that ship with the product, as data.

Belongs here: content that a quality engineer can read and check against the standard it comes
from. Writing it to a tenant is the store's job.
"""

from models.templates import apqp, capa_8d, document_approval, manufacturing
from models.templates.shape import Json, ProcessTemplate
from models.templates.subject_types import SUBJECT_TYPES, SubjectTypeTemplate

__all__ = [
    "SUBJECT_TYPES",
    "Json",
    "ProcessTemplate",
    "SubjectTypeTemplate",
    "get_templates",
]


def get_templates() -> dict[str, ProcessTemplate]:
    """Every shipped template by its key; freshly built, so that a caller may change its graph."""
    built = (
        apqp.template(),
        capa_8d.template(),
        document_approval.template(),
        manufacturing.template(),
    )
    return {one.key: one for one in built}
