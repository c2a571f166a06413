"""SQLModel rows with constraints, no methods, no relationships. One file per theme; all of them are offered here."""

from models.tables.actions import ActionRequest
from models.tables.approvals import ApprovalDelegation, ApprovalRequest, ApprovalResponse, ApprovalTemplate
from models.tables.audit import AuditEntry, ChainCheckpoint, ChainLink
from models.tables.base import metadata
from models.tables.commands import Command, Request
from models.tables.connectors import Connector
from models.tables.documents import Document, DocumentLink, DocumentType
from models.tables.effects import IdentifierCounter, Incident, Outbox
from models.tables.evidence import EvidenceRecord, Signature, SignatureVoid
from models.tables.executions import StepExecution, StepRequirementCompletion
from models.tables.identity import AuthToken, Tenant, UserAccount, UserRole
from models.tables.instances import WorkflowInstance, WorkflowSubject
from models.tables.journal import Journal
from models.tables.measurements import Measurement, MeasurementDefinition
from models.tables.messages import Message, MessageDelivery
from models.tables.notices import (
    InstanceWatch,
    Notification,
    NotificationChannel,
    NotificationDelivery,
    NotificationPreference,
    NotificationTemplate,
    Webhook,
)
from models.tables.planning import Absence, Calendar
from models.tables.process import Process, ProcessStep, Step, StepEdge, StepRequirement
from models.tables.quality import QualityReport
from models.tables.subjects import Capa, Part, Subject, SubjectType

__all__ = [
    "Absence",
    "ActionRequest",
    "ApprovalDelegation",
    "ApprovalRequest",
    "ApprovalResponse",
    "ApprovalTemplate",
    "AuditEntry",
    "AuthToken",
    "Calendar",
    "Capa",
    "ChainCheckpoint",
    "ChainLink",
    "Command",
    "Connector",
    "Document",
    "DocumentLink",
    "DocumentType",
    "EvidenceRecord",
    "IdentifierCounter",
    "Incident",
    "InstanceWatch",
    "Journal",
    "Measurement",
    "MeasurementDefinition",
    "Message",
    "MessageDelivery",
    "Notification",
    "NotificationChannel",
    "NotificationDelivery",
    "NotificationPreference",
    "NotificationTemplate",
    "Outbox",
    "Part",
    "Process",
    "ProcessStep",
    "QualityReport",
    "Request",
    "Signature",
    "SignatureVoid",
    "Step",
    "StepEdge",
    "StepExecution",
    "StepRequirement",
    "StepRequirementCompletion",
    "Subject",
    "SubjectType",
    "Tenant",
    "UserAccount",
    "UserRole",
    "Webhook",
    "WorkflowInstance",
    "WorkflowSubject",
    "metadata",
]
