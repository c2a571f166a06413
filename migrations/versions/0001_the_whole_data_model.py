"""The whole data model.

Revision: 0001, after None
Made: 2026-11-22 19:50:43.542749
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


SEALED_VERSION = """
CREATE FUNCTION process_version_is_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.graph_hash IS NOT NULL AND
        (NEW.id, NEW.tenant_id, NEW.key, NEW.version, NEW.version_no, NEW.category, NEW.subject_type_id, NEW.graph,
         NEW.graph_hash, NEW.approved_by, NEW.approved_at)
        IS DISTINCT FROM
        (OLD.id, OLD.tenant_id, OLD.key, OLD.version, OLD.version_no, OLD.category, OLD.subject_type_id, OLD.graph,
         OLD.graph_hash, OLD.approved_by, OLD.approved_at)
    THEN
        RAISE EXCEPTION 'version % of process % is approved and cannot change', OLD.version, OLD.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_process_version_is_sealed';
    END IF;
    RETURN NEW;
END $$
"""
SEALED_VERSION_TRIGGER = """
CREATE TRIGGER process_version_is_sealed BEFORE UPDATE ON process
FOR EACH ROW EXECUTE FUNCTION process_version_is_sealed()
"""


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("on_behalf_of", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object_type", sa.String(), nullable=False),
        sa.Column("object_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=True),
        sa.Column("execution_id", sa.Uuid(), nullable=True),
        sa.Column("old", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("new", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.Uuid(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("action <> ''", name=op.f("ck_audit_entry_action")),
        sa.CheckConstraint("chain IN ('instance', 'execution', 'tenant')", name=op.f("ck_audit_entry_chain")),
        sa.CheckConstraint("chain_n >= 1", name=op.f("ck_audit_entry_chain_n")),
        sa.CheckConstraint("erased_at IS NULL OR (old IS NULL AND new IS NULL)", name=op.f("ck_audit_entry_erased")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_chain", "audit_entry", ["tenant_id", "chain", "chain_id", "chain_n"], unique=False)
    op.create_index(
        "ix_audit_entry_instance",
        "audit_entry",
        ["tenant_id", "instance_id", "at"],
        unique=False,
        postgresql_where=sa.text("instance_id IS NOT NULL"),
    )
    op.create_index("ix_audit_entry_object", "audit_entry", ["tenant_id", "object_type", "object_id"], unique=False)
    op.create_index("ix_audit_entry_tenant_id_at", "audit_entry", ["tenant_id", "at", "id"], unique=False)
    op.create_table(
        "chain_checkpoint",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "heads", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("prev_digest", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_chain_checkpoint")),
    )
    op.create_index("ix_chain_checkpoint_tenant_id_at", "chain_checkpoint", ["tenant_id", "at"], unique=False)
    op.create_table(
        "chain_link",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload_digest", sa.LargeBinary(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("chain IN ('instance', 'execution', 'tenant')", name=op.f("ck_chain_link_chain")),
        sa.CheckConstraint("n >= 1", name=op.f("ck_chain_link_n")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_chain_link_hash")),
        sa.PrimaryKeyConstraint("tenant_id", "chain", "chain_id", "n", name=op.f("pk_chain_link")),
    )
    op.create_index("ix_chain_link_tenant_id_at", "chain_link", ["tenant_id", "at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("key", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_outbox_attempts")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_next_attempt_at", "outbox", ["next_attempt_at", "id"], unique=False)
    op.create_index("ix_outbox_topic_key", "outbox", ["tenant_id", "topic", "key"], unique=False)
    op.create_table(
        "tenant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("is_sandbox", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("chain_hash", sa.LargeBinary(), server_default=sa.text("'\\x'::bytea"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("chain_n >= 0", name=op.f("ck_tenant_chain_n")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("key", name=op.f("uq_tenant_key")),
    )
    op.create_table(
        "approval_template",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "stages", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("due_in", sa.Interval(), nullable=True),
        sa.Column("allow_self_approval", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("key <> ''", name=op.f("ck_approval_template_key")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_approval_template_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_approval_template")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_approval_template_tenant_id_key")),
    )
    op.create_table(
        "document_type",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("key <> ''", name=op.f("ck_document_type_key")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_document_type_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_document_type")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_document_type_tenant_id_key")),
    )
    op.create_table(
        "identifier_counter",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("last >= 0", name=op.f("ck_identifier_counter_last")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_identifier_counter_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "prefix", "year", name=op.f("pk_identifier_counter")),
    )
    op.create_table(
        "measurement_definition",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("unit", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("nominal", sa.Numeric(), nullable=True),
        sa.Column("upper_tol", sa.Numeric(), nullable=True),
        sa.Column("lower_tol", sa.Numeric(), nullable=True),
        sa.Column("sample_size", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("key <> ''", name=op.f("ck_measurement_definition_key")),
        sa.CheckConstraint(
            "(upper_tol IS NULL OR upper_tol >= 0) AND (lower_tol IS NULL OR lower_tol >= 0)",
            name=op.f("ck_measurement_definition_tolerances"),
        ),
        sa.CheckConstraint("sample_size >= 1", name=op.f("ck_measurement_definition_sample_size")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_measurement_definition_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_measurement_definition")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_measurement_definition_tenant_id_key")),
    )
    op.create_table(
        "subject_type",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "attributes_schema",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("identifier_pattern", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("key <> ''", name=op.f("ck_subject_type_key")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_subject_type_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_subject_type")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_subject_type_tenant_id_key")),
    )
    op.create_table(
        "user_account",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("full_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("email", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("is_service", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_logins", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("username <> ''", name=op.f("ck_user_account_username")),
        sa.CheckConstraint(
            "NOT (is_service AND password_hash IS NOT NULL)", name=op.f("ck_user_account_service_has_no_password")
        ),
        sa.CheckConstraint("failed_logins >= 0", name=op.f("ck_user_account_failed_logins")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_user_account_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("id", name=op.f("uq_user_account_id")),
    )
    op.create_index("uq_user_account_username", "user_account", [sa.literal_column("lower(username)")], unique=True)
    op.create_table(
        "auth_token",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="bearer", nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_auth_token_expires_later")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_auth_token_user_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_auth_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_auth_token_token_hash")),
    )
    op.create_index(
        "ix_auth_token_live",
        "auth_token",
        ["tenant_id", "user_id"],
        unique=False,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "process",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("category", sa.Text(), server_default="manufacturing", nullable=False),
        sa.Column("subject_type_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Text(), server_default="1.0", nullable=False),
        sa.Column("version_no", sa.Integer(), server_default="1", nullable=False),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column("template_source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "graph", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("graph_hash", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "category IN ('manufacturing', 'quality', 'npi', 'document', 'equipment', 'supplier', 'hr', 'customer')",
            name=op.f("ck_process_category"),
        ),
        sa.CheckConstraint("key <> ''", name=op.f("ck_process_key")),
        sa.CheckConstraint(
            "status IN ('draft', 'in_review', 'approved', 'deprecated', 'retired')", name=op.f("ck_process_status")
        ),
        sa.CheckConstraint(
            "status NOT IN ('approved', 'deprecated') OR (graph_hash IS NOT NULL AND approved_at IS NOT NULL)",
            name=op.f("ck_process_approved_is_sealed"),
        ),
        sa.CheckConstraint("version_no >= 1", name=op.f("ck_process_version_no")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "approved_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_process_approved_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_process_created_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subject_type_id"],
            ["subject_type.tenant_id", "subject_type.id"],
            name=op.f("fk_process_subject_type_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_process")),
        sa.UniqueConstraint("tenant_id", "key", "version_no", name=op.f("uq_process_tenant_id_key_version_no")),
    )
    op.create_index(
        "ix_process_tenant_id_category_status", "process", ["tenant_id", "category", "status"], unique=False
    )
    op.create_index("ix_process_tenant_id_subject_type_id", "process", ["tenant_id", "subject_type_id"], unique=False)
    op.create_index("ix_process_tenant_id_template_source", "process", ["tenant_id", "template_source"], unique=False)
    op.create_table(
        "request",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("body_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("command_ids", sa.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("key <> ''", name=op.f("ck_request_key")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "actor_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_request_actor_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "actor_id", "key", name=op.f("pk_request")),
    )
    op.create_table(
        "subject",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_type_id", sa.Uuid(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "attributes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("identifier <> ''", name=op.f("ck_subject_identifier")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_subject_created_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subject_type_id"],
            ["subject_type.tenant_id", "subject_type.id"],
            name=op.f("fk_subject_subject_type_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_subject")),
        sa.UniqueConstraint("subject_type_id", "identifier", "tenant_id", name="uq_subject_identifier"),
        sa.UniqueConstraint("tenant_id", "id", "subject_type_id", name=op.f("uq_subject_tenant_id_id_subject_type_id")),
    )
    op.create_index("ix_subject_tenant_id_identifier", "subject", ["tenant_id", "identifier"], unique=False)
    op.create_table(
        "user_role",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "granted_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_user_role_granted_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_user_role_user_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "role", name=op.f("pk_user_role")),
    )
    op.create_table(
        "document",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_type_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("revision", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("released_by", sa.Uuid(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("obsoleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_document_sha256")),
        sa.CheckConstraint(
            "state <> 'obsolete' OR obsoleted_at IS NOT NULL", name=op.f("ck_document_obsolete_has_moment")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'in_review', 'released', 'effective', 'obsolete')", name=op.f("ck_document_state")
        ),
        sa.CheckConstraint(
            "state NOT IN ('released', 'effective') OR released_at IS NOT NULL",
            name=op.f("ck_document_released_has_moment"),
        ),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_document_size_bytes")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_type_id"],
            ["document_type.tenant_id", "document_type.id"],
            name=op.f("fk_document_document_type_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "released_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_document_released_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subject_id"],
            ["subject.tenant_id", "subject.id"],
            name=op.f("fk_document_subject_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "uploaded_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_document_uploaded_by"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_document")),
        sa.UniqueConstraint("tenant_id", "number", "revision", name=op.f("uq_document_tenant_id_number_revision")),
    )
    op.create_index("ix_document_tenant_id_sha256", "document", ["tenant_id", "sha256"], unique=False)
    op.create_index(
        "ix_document_tenant_id_type_state", "document", ["tenant_id", "document_type_id", "state"], unique=False
    )
    op.create_table(
        "part",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("part_status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("requires_sampling", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "part_status IN ('pending', 'in_progress', 'quarantined', 'rework_needed', 'completed', 'scrapped', 'cancelled')",
            name=op.f("ck_part_part_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"], ["subject.tenant_id", "subject.id"], name=op.f("fk_part_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_part")),
    )
    op.create_table(
        "step",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("step_type", sa.Text(), server_default="task", nullable=False),
        sa.Column("is_decision_point", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("decision_type", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_terminal", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("terminal_status", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("requires_explicit_start", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("requires_operator_completion", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("requires_batch_completion", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("requires_qa_signoff", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("max_visits", sa.Integer(), nullable=True),
        sa.Column("expected_duration", sa.Interval(), nullable=True),
        sa.Column("max_duration", sa.Interval(), nullable=True),
        sa.Column("escalate_on_overdue", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("ordered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "config", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.CheckConstraint(
            "expected_duration IS NULL OR expected_duration > INTERVAL '0'", name=op.f("ck_step_expected_duration")
        ),
        sa.CheckConstraint("max_duration IS NULL OR max_duration > INTERVAL '0'", name=op.f("ck_step_max_duration")),
        sa.CheckConstraint(
            "step_type IN ('task', 'start', 'decision', 'rework', 'timer', 'terminal')", name=op.f("ck_step_step_type")
        ),
        sa.CheckConstraint("max_visits IS NULL OR max_visits >= 1", name=op.f("ck_step_max_visits")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["process.tenant_id", "process.id"],
            name=op.f("fk_step_process_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_step")),
        sa.UniqueConstraint("tenant_id", "process_id", "key", name=op.f("uq_step_tenant_id_process_id_key")),
    )
    op.create_table(
        "process_step",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("order", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["process.tenant_id", "process.id"],
            name=op.f("fk_process_step_process_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "step_id"],
            ["step.tenant_id", "step.id"],
            name=op.f("fk_process_step_step_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_process_step")),
        sa.UniqueConstraint(
            "tenant_id", "process_id", "step_id", name=op.f("uq_process_step_tenant_id_process_id_step_id")
        ),
    )
    op.create_table(
        "step_edge",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("from_step_id", sa.Uuid(), nullable=False),
        sa.Column("to_step_id", sa.Uuid(), nullable=False),
        sa.Column("edge_type", sa.Text(), server_default="default", nullable=False),
        sa.Column("condition", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("edge_type IN ('default', 'alternate', 'escalation')", name=op.f("ck_step_edge_edge_type")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "from_step_id"],
            ["step.tenant_id", "step.id"],
            name=op.f("fk_step_edge_from_step_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["process.tenant_id", "process.id"],
            name=op.f("fk_step_edge_process_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "to_step_id"],
            ["step.tenant_id", "step.id"],
            name=op.f("fk_step_edge_to_step_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_step_edge")),
        sa.UniqueConstraint(
            "tenant_id", "process_id", "from_step_id", "to_step_id", "edge_type", "condition", name="uq_step_edge_once"
        ),
    )
    op.create_table(
        "step_requirement",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("requirement_type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_mandatory", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("order", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "config", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.CheckConstraint("requirement_type <> ''", name=op.f("ck_step_requirement_requirement_type")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "step_id"],
            ["step.tenant_id", "step.id"],
            name=op.f("fk_step_requirement_step_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_step_requirement")),
        sa.UniqueConstraint("tenant_id", "step_id", "key", name=op.f("uq_step_requirement_tenant_id_step_id_key")),
    )
    op.create_index(
        "ix_step_requirement_tenant_id_step_id_type",
        "step_requirement",
        ["tenant_id", "step_id", "requirement_type"],
        unique=False,
    )
    op.create_table(
        "workflow_instance",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("triggered_by", sa.Uuid(), nullable=True),
        sa.Column("triggered_requirement_id", sa.Uuid(), nullable=True),
        sa.Column("child_no", sa.Integer(), nullable=True),
        sa.Column("parent_instance_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column(
            "context", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("record_no", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("chain_hash", sa.LargeBinary(), server_default=sa.text("'\\x'::bytea"), nullable=False),
        sa.CheckConstraint(
            "(status = 'on_hold') = (held_at IS NOT NULL)", name=op.f("ck_workflow_instance_held_has_moment")
        ),
        sa.CheckConstraint(
            "(status IN ('completed', 'cancelled')) = (completed_at IS NOT NULL)",
            name=op.f("ck_workflow_instance_closed_has_end"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'on_hold', 'completed', 'cancelled')",
            name=op.f("ck_workflow_instance_status"),
        ),
        sa.CheckConstraint("child_no IS NULL OR child_no >= 1", name=op.f("ck_workflow_instance_child_no")),
        sa.CheckConstraint("seq >= 0 AND record_no >= 0 AND chain_n >= 0", name=op.f("ck_workflow_instance_counters")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_workflow_instance_created_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "owner_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_workflow_instance_owner_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_instance_id"],
            ["workflow_instance.tenant_id", "workflow_instance.id"],
            name=op.f("fk_workflow_instance_parent_instance_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "process_id"],
            ["process.tenant_id", "process.id"],
            name=op.f("fk_workflow_instance_process_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "triggered_requirement_id"],
            ["step_requirement.tenant_id", "step_requirement.id"],
            name=op.f("fk_workflow_instance_triggered_requirement_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_workflow_instance")),
        sa.UniqueConstraint("tenant_id", "identifier", name=op.f("uq_workflow_instance_tenant_id_identifier")),
    )
    op.create_index(
        "ix_workflow_instance_open",
        "workflow_instance",
        ["status", "created_at"],
        unique=False,
        postgresql_where=sa.text("completed_at IS NULL"),
    )
    op.create_index(
        "ix_workflow_instance_parent",
        "workflow_instance",
        ["tenant_id", "parent_instance_id"],
        unique=False,
        postgresql_where=sa.text("parent_instance_id IS NOT NULL"),
    )
    op.create_index(
        "ix_workflow_instance_tenant_id_created_at",
        "workflow_instance",
        ["tenant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_workflow_instance_tenant_id_process_id_status",
        "workflow_instance",
        ["tenant_id", "process_id", "status"],
        unique=False,
    )
    op.create_index(
        "ix_workflow_instance_tenant_id_status_due_date",
        "workflow_instance",
        ["tenant_id", "status", "due_date"],
        unique=False,
    )
    op.create_index(
        "ix_workflow_instance_triggered_by",
        "workflow_instance",
        ["tenant_id", "triggered_by"],
        unique=False,
        postgresql_where=sa.text("triggered_by IS NOT NULL"),
    )
    op.create_table(
        "capa",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("capa_number", sa.String(), nullable=False),
        sa.Column("severity", sa.Text(), server_default="minor", nullable=False),
        sa.Column("workflow_instance_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("severity IN ('critical', 'major', 'minor')", name=op.f("ck_capa_severity")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"], ["subject.tenant_id", "subject.id"], name=op.f("fk_capa_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "workflow_instance_id"],
            ["workflow_instance.tenant_id", "workflow_instance.id"],
            name=op.f("fk_capa_workflow_instance_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_capa")),
        sa.UniqueConstraint("tenant_id", "capa_number", name=op.f("uq_capa_tenant_id_capa_number")),
    )
    op.create_table(
        "command",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_key", sa.String(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("on_behalf_of", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("workflow_instance_id", sa.Uuid(), nullable=True),
        sa.Column(
            "body", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("body_hash", sa.String(), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("signalled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_seq", sa.BigInteger(), nullable=True),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("outcome IN ('accepted', 'refused', 'partial')", name=op.f("ck_command_outcome")),
        sa.CheckConstraint("(outcome IS NULL) = (settled_at IS NULL)", name=op.f("ck_command_settled_once")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "actor_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_command_actor_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "workflow_instance_id"],
            ["workflow_instance.tenant_id", "workflow_instance.id"],
            name=op.f("fk_command_workflow_instance_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_command")),
    )
    op.create_index(
        "ix_command_tenant_id_request_key", "command", ["tenant_id", "actor_id", "request_key"], unique=False
    )
    op.create_index(
        "ix_command_unsettled", "command", ["accepted_at"], unique=False, postgresql_where=sa.text("outcome IS NULL")
    )
    op.create_index(
        "ix_command_unsettled_instance",
        "command",
        ["tenant_id", "workflow_instance_id"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "journal",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_no", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subjects", sa.ARRAY(sa.Integer()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("command_id", sa.Uuid(), nullable=True),
        sa.Column("chain_n", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("chain_n >= 1", name=op.f("ck_journal_chain_n")),
        sa.CheckConstraint("record_no >= 1", name=op.f("ck_journal_record_no")),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_journal_seq")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["workflow_instance.tenant_id", "workflow_instance.id"],
            name=op.f("fk_journal_instance_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "instance_id", "seq", name=op.f("pk_journal")),
    )
    op.create_index(
        "ix_journal_command_id",
        "journal",
        ["tenant_id", "command_id"],
        unique=False,
        postgresql_where=sa.text("command_id IS NOT NULL"),
    )
    op.create_table(
        "workflow_subject",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("subject_no", sa.Integer(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("terminal_status", sa.String(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(terminal_status IS NULL) = (finished_at IS NULL)", name=op.f("ck_workflow_subject_finished")
        ),
        sa.CheckConstraint("subject_no >= 0", name=op.f("ck_workflow_subject_subject_no")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["workflow_instance.tenant_id", "workflow_instance.id"],
            name=op.f("fk_workflow_subject_instance_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subject_id"],
            ["subject.tenant_id", "subject.id"],
            name=op.f("fk_workflow_subject_subject_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "instance_id", "subject_no", name=op.f("pk_workflow_subject")),
        sa.UniqueConstraint("subject_id", "instance_id", "tenant_id", name="uq_workflow_subject_once"),
    )
    op.create_table(
        "step_execution",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workflow_instance_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.String(), nullable=False),
        sa.Column("subject_type_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("subject_no", sa.Integer(), nullable=False),
        sa.Column("branch", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("visit_number", sa.Integer(), server_default="1", nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("assigned_to", sa.Uuid(), nullable=True),
        sa.Column("completed_by", sa.Uuid(), nullable=True),
        sa.Column("decision_result", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("next_step_id", sa.Uuid(), nullable=True),
        sa.Column("notes", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("limit_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("overdue", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("escalation_level", sa.Integer(), server_default="0", nullable=False),
        sa.Column("evidence_rev", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ready_rev", sa.BigInteger(), nullable=True),
        sa.Column("chain_n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("chain_hash", sa.LargeBinary(), server_default=sa.text("'\\x'::bytea"), nullable=False),
        sa.CheckConstraint(
            "(status IN ('completed', 'skipped', 'cancelled', 'rolled_back')) = (exited_at IS NOT NULL)",
            name=op.f("ck_step_execution_closed_has_exit"),
        ),
        sa.CheckConstraint(
            "status <> 'claimed' OR assigned_to IS NOT NULL", name=op.f("ck_step_execution_claimed_by_somebody")
        ),
        sa.CheckConstraint(
            "status <> 'waiting' OR ready_at IS NOT NULL", name=op.f("ck_step_execution_waiting_is_ready")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'claimed', 'in_progress', 'awaiting_signoff', 'waiting', 'completed', 'skipped', 'cancelled', 'rolled_back')",
            name=op.f("ck_step_execution_status"),
        ),
        sa.CheckConstraint("escalation_level >= 0", name=op.f("ck_step_execution_escalation_level")),
        sa.CheckConstraint("visit_number >= 1", name=op.f("ck_step_execution_visit_number")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "assigned_to"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_step_execution_assigned_to"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "completed_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_step_execution_completed_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "next_step_id"],
            ["step.tenant_id", "step.id"],
            name=op.f("fk_step_execution_next_step_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "step_id"],
            ["step.tenant_id", "step.id"],
            name=op.f("fk_step_execution_step_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subject_id", "subject_type_id"],
            ["subject.tenant_id", "subject.id", "subject.subject_type_id"],
            name=op.f("fk_step_execution_subject_type_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "workflow_instance_id", "subject_no"],
            ["workflow_subject.tenant_id", "workflow_subject.instance_id", "workflow_subject.subject_no"],
            name=op.f("fk_step_execution_subject_no"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "workflow_instance_id"],
            ["workflow_instance.tenant_id", "workflow_instance.id"],
            name=op.f("fk_step_execution_workflow_instance_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_step_execution")),
        sa.UniqueConstraint(
            "tenant_id",
            "workflow_instance_id",
            "subject_no",
            "step_key",
            "branch",
            "visit_number",
            name="uq_step_execution_visit",
        ),
    )
    op.create_index(
        "ix_step_execution_assigned_to_status", "step_execution", ["tenant_id", "assigned_to", "status"], unique=False
    )
    op.create_index(
        "ix_step_execution_instance_step_status",
        "step_execution",
        ["tenant_id", "workflow_instance_id", "step_id", "status"],
        unique=False,
    )
    op.create_index(
        "ix_step_execution_open_due",
        "step_execution",
        ["tenant_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("exited_at IS NULL"),
    )
    op.create_index(
        "ix_step_execution_open_step",
        "step_execution",
        ["tenant_id", "step_id"],
        unique=False,
        postgresql_where=sa.text("exited_at IS NULL"),
    )
    op.create_index(
        "ix_step_execution_status_entered_at", "step_execution", ["tenant_id", "status", "entered_at"], unique=False
    )
    op.create_index(
        "ix_step_execution_subject", "step_execution", ["tenant_id", "subject_type_id", "subject_id"], unique=False
    )
    op.create_index(
        "uq_step_execution_one_open",
        "step_execution",
        ["tenant_id", "workflow_instance_id", "subject_no", "branch"],
        unique=True,
        postgresql_where=sa.text("exited_at IS NULL"),
    )
    op.create_table(
        "approval_request",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("requirement_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=True),
        sa.Column(
            "stages", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("allow_self_approval", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("round", sa.Integer(), server_default="1", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("stage", sa.Integer(), server_default="0", nullable=False),
        sa.Column("content_hash", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL)", name=op.f("ck_approval_request_pending_is_undecided")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'voided', 'withdrawn')",
            name=op.f("ck_approval_request_state"),
        ),
        sa.CheckConstraint("round >= 1", name=op.f("ck_approval_request_round")),
        sa.CheckConstraint("stage >= 0", name=op.f("ck_approval_request_stage")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_approval_request_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "requested_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_approval_request_requested_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "requirement_id"],
            ["step_requirement.tenant_id", "step_requirement.id"],
            name=op.f("fk_approval_request_requirement_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "template_id"],
            ["approval_template.tenant_id", "approval_template.id"],
            name=op.f("fk_approval_request_template_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_approval_request")),
        sa.UniqueConstraint(
            "tenant_id",
            "execution_id",
            "requirement_id",
            "round",
            name=op.f("uq_approval_request_tenant_id_execution_id_requirement_id_round"),
        ),
    )
    op.create_index(
        "ix_approval_request_pending",
        "approval_request",
        ["tenant_id", "requested_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "document_link",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("requirement_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_document_link_document_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_document_link_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "requirement_id"],
            ["step_requirement.tenant_id", "step_requirement.id"],
            name=op.f("fk_document_link_requirement_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_document_link")),
        sa.UniqueConstraint(
            "tenant_id",
            "execution_id",
            "requirement_id",
            "document_id",
            name=op.f("uq_document_link_tenant_id_execution_id_requirement_id_document_id"),
        ),
    )
    op.create_index(
        "ix_document_link_tenant_id_document_id", "document_link", ["tenant_id", "document_id"], unique=False
    )
    op.create_table(
        "evidence_record",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("requirement_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("given_by", sa.Uuid(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "action IN ('given', 'withdrawn', 'voided', 'amended')", name=op.f("ck_evidence_record_action")
        ),
        sa.CheckConstraint("chain_n >= 1", name=op.f("ck_evidence_record_chain_n")),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_evidence_record_revision")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_evidence_record_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "given_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_evidence_record_given_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "requirement_id"],
            ["step_requirement.tenant_id", "step_requirement.id"],
            name=op.f("fk_evidence_record_requirement_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evidence_record")),
        sa.UniqueConstraint(
            "tenant_id",
            "execution_id",
            "requirement_id",
            "revision",
            name=op.f("uq_evidence_record_tenant_id_execution_id_requirement_id_revision"),
        ),
    )
    op.create_table(
        "incident",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instance_id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "params", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.Column("resolution", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("code <> ''", name=op.f("ck_incident_code")),
        sa.CheckConstraint("resolved_at IS NOT NULL OR resolution = ''", name=op.f("ck_incident_resolution")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_incident_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "instance_id"],
            ["workflow_instance.tenant_id", "workflow_instance.id"],
            name=op.f("fk_incident_instance_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "resolved_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_incident_resolved_by"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_incident")),
    )
    op.create_index(
        "ix_incident_open",
        "incident",
        ["tenant_id", "instance_id"],
        unique=False,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "measurement",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("requirement_id", sa.Uuid(), nullable=False),
        sa.Column("definition_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("unit", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("gauge", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("in_tolerance", sa.Boolean(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("chain_n >= 1", name=op.f("ck_measurement_chain_n")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "definition_id"],
            ["measurement_definition.tenant_id", "measurement_definition.id"],
            name=op.f("fk_measurement_definition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_measurement_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "operator_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_measurement_operator_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "requirement_id"],
            ["step_requirement.tenant_id", "step_requirement.id"],
            name=op.f("fk_measurement_requirement_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_measurement")),
    )
    op.create_index(
        "ix_measurement_tenant_id_definition_id_at", "measurement", ["tenant_id", "definition_id", "at"], unique=False
    )
    op.create_index("ix_measurement_tenant_id_execution_id", "measurement", ["tenant_id", "execution_id"], unique=False)
    op.create_table(
        "signature",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("requirement_id", sa.Uuid(), nullable=True),
        sa.Column("signer_id", sa.Uuid(), nullable=False),
        sa.Column("printed_name", sa.String(), nullable=False),
        sa.Column("meaning", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("meaning <> ''", name=op.f("ck_signature_meaning")),
        sa.CheckConstraint("printed_name <> ''", name=op.f("ck_signature_printed_name")),
        sa.CheckConstraint("chain_n >= 1", name=op.f("ck_signature_chain_n")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_signature_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "requirement_id"],
            ["step_requirement.tenant_id", "step_requirement.id"],
            name=op.f("fk_signature_requirement_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "signer_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_signature_signer_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_signature")),
    )
    op.create_index("ix_signature_tenant_id_execution_id", "signature", ["tenant_id", "execution_id"], unique=False)
    op.create_table(
        "step_requirement_completion",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("requirement_id", sa.Uuid(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_by", sa.Uuid(), nullable=True),
        sa.Column(
            "evidence", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.CheckConstraint(
            "NOT is_complete OR completed_at IS NOT NULL",
            name=op.f("ck_step_requirement_completion_complete_has_moment"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "completed_by"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_step_requirement_completion_completed_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_step_requirement_completion_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "requirement_id"],
            ["step_requirement.tenant_id", "step_requirement.id"],
            name=op.f("fk_step_requirement_completion_requirement_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_step_requirement_completion")),
        sa.UniqueConstraint(
            "tenant_id",
            "execution_id",
            "requirement_id",
            name=op.f("uq_step_requirement_completion_tenant_id_execution_id_requirement_id"),
        ),
    )
    op.create_table(
        "approval_response",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("delegated_from", sa.Uuid(), nullable=True),
        sa.Column("comment", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("self_approval_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("decision IN ('approved', 'rejected')", name=op.f("ck_approval_response_decision")),
        sa.CheckConstraint("chain_n >= 1", name=op.f("ck_approval_response_chain_n")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delegated_from"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_approval_response_delegated_from"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_approval_response_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "request_id"],
            ["approval_request.tenant_id", "approval_request.id"],
            name=op.f("fk_approval_response_request_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_approval_response_user_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_approval_response")),
    )
    op.create_index(
        "ix_approval_response_tenant_id_request_id", "approval_response", ["tenant_id", "request_id"], unique=False
    )
    op.create_table(
        "signature_void",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain_n", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("signature_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("chain_n >= 1", name=op.f("ck_signature_void_chain_n")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["step_execution.tenant_id", "step_execution.id"],
            name=op.f("fk_signature_void_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "signature_id"],
            ["signature.tenant_id", "signature.id"],
            name=op.f("fk_signature_void_signature_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_signature_void")),
        sa.UniqueConstraint("tenant_id", "signature_id", name=op.f("uq_signature_void_tenant_id_signature_id")),
    )
    # The two tables refer to each other, so this key comes last; Alembic does not write `use_alter` out.
    op.create_foreign_key(
        "fk_workflow_instance_triggered_by",
        "workflow_instance",
        "step_execution",
        ["tenant_id", "triggered_by"],
        ["tenant_id", "id"],
        ondelete="RESTRICT",
        initially="DEFERRED",
        deferrable=True,
    )
    op.execute(SEALED_VERSION)
    op.execute(SEALED_VERSION_TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER process_version_is_sealed ON process")
    op.execute("DROP FUNCTION process_version_is_sealed()")
    op.drop_constraint("fk_workflow_instance_triggered_by", "workflow_instance", type_="foreignkey")
    op.drop_table("signature_void")
    op.drop_index("ix_approval_response_tenant_id_request_id", table_name="approval_response")
    op.drop_table("approval_response")
    op.drop_table("step_requirement_completion")
    op.drop_index("ix_signature_tenant_id_execution_id", table_name="signature")
    op.drop_table("signature")
    op.drop_index("ix_measurement_tenant_id_execution_id", table_name="measurement")
    op.drop_index("ix_measurement_tenant_id_definition_id_at", table_name="measurement")
    op.drop_table("measurement")
    op.drop_index("ix_incident_open", table_name="incident", postgresql_where=sa.text("resolved_at IS NULL"))
    op.drop_table("incident")
    op.drop_table("evidence_record")
    op.drop_index("ix_document_link_tenant_id_document_id", table_name="document_link")
    op.drop_table("document_link")
    op.drop_index(
        "ix_approval_request_pending", table_name="approval_request", postgresql_where=sa.text("state = 'pending'")
    )
    op.drop_table("approval_request")
    op.drop_index(
        "uq_step_execution_one_open", table_name="step_execution", postgresql_where=sa.text("exited_at IS NULL")
    )
    op.drop_index("ix_step_execution_subject", table_name="step_execution")
    op.drop_index("ix_step_execution_status_entered_at", table_name="step_execution")
    op.drop_index(
        "ix_step_execution_open_step", table_name="step_execution", postgresql_where=sa.text("exited_at IS NULL")
    )
    op.drop_index(
        "ix_step_execution_open_due", table_name="step_execution", postgresql_where=sa.text("exited_at IS NULL")
    )
    op.drop_index("ix_step_execution_instance_step_status", table_name="step_execution")
    op.drop_index("ix_step_execution_assigned_to_status", table_name="step_execution")
    op.drop_table("step_execution")
    op.drop_table("workflow_subject")
    op.drop_index("ix_journal_command_id", table_name="journal", postgresql_where=sa.text("command_id IS NOT NULL"))
    op.drop_table("journal")
    op.drop_index("ix_command_unsettled_instance", table_name="command", postgresql_where=sa.text("outcome IS NULL"))
    op.drop_index("ix_command_unsettled", table_name="command", postgresql_where=sa.text("outcome IS NULL"))
    op.drop_index("ix_command_tenant_id_request_key", table_name="command")
    op.drop_table("command")
    op.drop_table("capa")
    op.drop_index(
        "ix_workflow_instance_triggered_by",
        table_name="workflow_instance",
        postgresql_where=sa.text("triggered_by IS NOT NULL"),
    )
    op.drop_index("ix_workflow_instance_tenant_id_status_due_date", table_name="workflow_instance")
    op.drop_index("ix_workflow_instance_tenant_id_process_id_status", table_name="workflow_instance")
    op.drop_index("ix_workflow_instance_tenant_id_created_at", table_name="workflow_instance")
    op.drop_index(
        "ix_workflow_instance_parent",
        table_name="workflow_instance",
        postgresql_where=sa.text("parent_instance_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_workflow_instance_open", table_name="workflow_instance", postgresql_where=sa.text("completed_at IS NULL")
    )
    op.drop_table("workflow_instance")
    op.drop_index("ix_step_requirement_tenant_id_step_id_type", table_name="step_requirement")
    op.drop_table("step_requirement")
    op.drop_table("step_edge")
    op.drop_table("process_step")
    op.drop_table("step")
    op.drop_table("part")
    op.drop_index("ix_document_tenant_id_type_state", table_name="document")
    op.drop_index("ix_document_tenant_id_sha256", table_name="document")
    op.drop_table("document")
    op.drop_table("user_role")
    op.drop_index("ix_subject_tenant_id_identifier", table_name="subject")
    op.drop_table("subject")
    op.drop_table("request")
    op.drop_index("ix_process_tenant_id_template_source", table_name="process")
    op.drop_index("ix_process_tenant_id_subject_type_id", table_name="process")
    op.drop_index("ix_process_tenant_id_category_status", table_name="process")
    op.drop_table("process")
    op.drop_index("ix_auth_token_live", table_name="auth_token", postgresql_where=sa.text("revoked_at IS NULL"))
    op.drop_table("auth_token")
    op.drop_index("uq_user_account_username", table_name="user_account")
    op.drop_table("user_account")
    op.drop_table("subject_type")
    op.drop_table("measurement_definition")
    op.drop_table("identifier_counter")
    op.drop_table("document_type")
    op.drop_table("approval_template")
    op.drop_table("tenant")
    op.drop_index("ix_outbox_topic_key", table_name="outbox")
    op.drop_index("ix_outbox_next_attempt_at", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_chain_link_tenant_id_at", table_name="chain_link")
    op.drop_table("chain_link")
    op.drop_index("ix_chain_checkpoint_tenant_id_at", table_name="chain_checkpoint")
    op.drop_table("chain_checkpoint")
    op.drop_index("ix_audit_entry_tenant_id_at", table_name="audit_entry")
    op.drop_index("ix_audit_entry_object", table_name="audit_entry")
    op.drop_index(
        "ix_audit_entry_instance", table_name="audit_entry", postgresql_where=sa.text("instance_id IS NOT NULL")
    )
    op.drop_index("ix_audit_entry_chain", table_name="audit_entry")
    op.drop_table("audit_entry")
