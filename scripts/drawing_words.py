"""What the fields and words of a drawing mean; `drawing_tables` puts it beside what the code says."""

from collections.abc import Mapping
from typing import Final

Meanings = Mapping[str, str]

UI: Final = "whatever a drawing program wants to keep; the engine does not look at it"

GRAPH: Final[Meanings] = {
    "steps": "the steps",
    "edges": "the ways between them",
    "config": "settings for the whole process: `deviation`, as for a step",
    "ui": UI,
}

OF_STEP: Final[Meanings] = {
    "key": "its name in edges, expressions and requests; each once",
    "name": "what people read",
    "description": "instructions for whoever does it",
    "step_type": "see below",
    "order": "place among the steps; its place in the list unless told",
    "is_decision_point": "whether its result chooses the way on; implied by the type `decision`",
    "decision_type": "who or what gives that result; none is `manual`",
    "is_terminal": "whether subjects end here; implied by the type `terminal`",
    "terminal_status": "what a subject that ends here is; `completed` unless told",
    "requires_explicit_start": "completing needs a start before",
    "requires_operator_completion": "a person completes it; where false it goes on by itself once all is met",
    "requires_batch_completion": "a subject waits here until all others at this step are ready",
    "requires_qa_signoff": "another person has to sign the completed work off",
    "max_visits": "how often one subject may enter it; then it takes the escalation edge",
    "expected_duration": "working time until it is due",
    "max_duration": "working time until its hard limit; not shorter than `expected_duration`",
    "escalate_on_overdue": "tells the instance's owner when it is late, where no levels are given",
    "ordered": "its requirements are given in their order",
    "config": "settings by family, see below; keys of your own are kept",
    "requirements": "its gates",
    "ui": UI,
}

OF_EDGE: Final[Meanings] = {
    "from_step": "key of the step that it leaves",
    "to_step": "key of the step that it leads to",
    "edge_type": "see below",
    "condition": "the result that takes it; out of a decision by `expression`, CEL",
    "results": "more results that take it",
    "config": "out of a decision by `measurement`, what is compared",
    "ui": UI,
}

OF_REQUIREMENT: Final[Meanings] = {
    "key": "its name in requests, each once in its step; `r1`, `r2`, … by its place unless told",
    "requirement_type": "see below; a plug-in may add types",
    "name": "what people read",
    "description": "instructions",
    "is_mandatory": "whether it blocks",
    "order": "place among the requirements of its step; its place in the list unless told",
    "config": "by type, see below",
}

STEPS: Final[Meanings] = {
    "task": "work that a person does",
    "start": "a task where every subject enters; without one, the first step by order is it",
    "decision": "a task whose result chooses the way on",
    "rework": "a task that puts something right; shown as such",
    "timer": "waits for what `config.timer` says; without that a task by this name",
    "terminal": "an end",
    "fork": "sends the subject along all its default edges at once",
    "join": "waits for the branches of a fork",
    "message": "waits for an event from outside, `config.event`",
    "automatic": "does what `config.action` says",
}

DECISIONS: Final[Meanings] = {
    "manual": "the person, by `decision_result`",
    "measurement": "the last measured value against `config` of the edges; where no edge compares, the tolerances",
    "qa_result": "the last quality report about the subject",
    "expression": "the `condition` of the edges, in CEL",
    "decision_table": "`config.decision_table`",
}

EDGES: Final[Meanings] = {
    "default": "the ordinary way; of a decision what `pass`, `approved` and `yes` take",
    "alternate": "the other way of a decision: `fail`, `rejected`, `no`",
    "escalation": "the way at the visit limit, and of an escalation level with the action `route`",
}

REQUIREMENTS: Final[Meanings] = {
    "document": "documents in force are attached",
    "approval": "people approve, in stages",
    "checklist": "items are ticked, with values and photos where asked for",
    "form": "data that fits a JSON Schema is given",
    "measurement": "values within tolerance are measured",
    "signature": "people sign, with password and meaning",
    "child_workflow": "nested workflows complete",
    "custom": "an expression in CEL holds, or a named check of a site passes",
}

CONFIGS: Final[Mapping[str, Meanings]] = {
    "document": {
        "document_type_id": "id of the type of document that counts",
        "document_type": "the same by key, or written out (`key`, `name`): then it is made; any type unless told",
        "min_count": "how many",
        "allow_draft": "whether drafts count",
    },
    "approval": {
        "template_id": "id of an approval template",
        "template": "the same by key, or written out: then it is made",
        "stages": "without a template, the stages in series: `roles`, `users`, `mode`, `n`, `veto`, …",
        "roles": "of a single stage: who is asked",
        "users": "of a single stage: who is asked, by id or username",
        "mode": "of a single stage: who has to agree",
        "n": "of a single stage with `n_of_m`: how many",
        "due_in": "elapsed time until an answer is due",
        "remind_before": "how long before that a reminder goes out",
        "escalate_to": "who is told as well once it is overdue",
        "allow_self_approval": "whoever did the work may approve it, with a reason",
        "allow_delegation": "an approver may hand the answer on",
        "on_reject": "`back_to`: key of the step to which a rejection takes the work",
    },
    "checklist": {"items": "what is to be ticked; an item may be a text alone, its label"},
    "form": {"schema": "JSON Schema, draft 2020-12", "ui_schema": "its layout"},
    "signature": {
        "meaning": "what the signature means",
        "meanings": "several to choose from; any unless told",
        "role": "role that the signer holds",
        "roles": "several of which the signer holds one; anybody who may work here unless told",
        "count": "how many, by different persons",
        "distinct": "the signer has met no other signature requirement of this execution",
        "independent": "the signer did no part of the work",
    },
    "measurement": {
        "measurement_definition_id": "id of what is measured",
        "measurement_definition": "the same by key, or written out (`key`, `unit`, `nominal`, …): then it is made",
        "sample_size": "values of one sample; the definition's unless told",
        "samples": "how many samples",
        "dispositions_that_pass": "with which dispositions of a bad value the step may be completed",
    },
    "child_workflow": {
        "process_id": "id of the process that is started",
        "process": "the same by key: the version in force",
        "process_template": "the same by the shipped template that it was made from",
        "count": "how many have to complete",
        "subjects": '`same`, `{"new": {type, count, attributes}}` or `{"rule": {type, equal, where}}`',
        "context": "key of the child's context → key of ours, copied at its start",
        "context_back": "key of our context → key of the child's, copied at its end",
        "on_failure": "what a cancelled child means",
        "name": "what the child is called",
    },
    "custom": {
        "expression": "CEL that has to be true; either this or `check`",
        "message": "shown while it is false",
        "check": "name of a check that a worker of a site carries out",
        "queue": "that site's task queue, `site-x`",
        "parameters": "handed to the check",
        "timeout": "of one attempt",
        "retries": "attempts after the first one",
        "wait": "how long a worker may take to come for it",
    },
}

_EACH_ACTION: Final[Meanings] = {
    "type": "which action; *needed*",
    "retries": "tries after the first one, 3 unless told",
    "timeout": "of one try, 30 s unless told",
    "context": "path in the context → path in the answer, of what is kept",
}
_REQUEST: Final[Meanings] = {
    **_EACH_ACTION,
    "method": "`POST` unless told",
    "headers": "of the request; no secrets here",
    "body": "expression for its JSON",
}
_AT_A_SITE: Final[Meanings] = {
    **_EACH_ACTION,
    "activity": "name of the action that is installed there",
    "site": "whose worker; else `context.site`, else that of the core workers",
    "args": "expression for what it is told",
    "patience": "how long a worker may take to come for it, an hour unless told",
}

FAMILY_FIELDS: Final[Mapping[str, Meanings]] = {
    "assignment": {
        "roles": "candidates by role",
        "users": "candidates by id or username",
        "rule": "CEL over `user`, `subject`, `context`",
        "revisit": "who may do it when the subject comes back",
        "not_who_did": "keys of steps; whoever did one of these may not do this one",
        "auto": "whether new work is put into somebody's hands",
        "priority": "of new executions",
    },
    "escalation": {
        "remind_before": "working time before the due time, one for each reminder",
        "levels": "what happens once it is late, in turn",
    },
    "escalation: levels": {
        "after": "working time beyond the due time; at once unless told",
        "action": "what is done",
        "to": "`owner`, `user:…`, `role:…`; needed for `reassign`",
        "priority": "needed for `raise_priority`",
        "process_key": "needed for `start_process`",
    },
    "deviation": {"second_person": "deviations that another person has to confirm; true for all"},
    "timer": {
        "duration": "how long; either this or `until`",
        "until": "expression for the moment",
        "working_time": "`duration` is counted on the site's calendar",
    },
    "event": {
        "name": "of the event",
        "key": "expression for its key",
        "context": "path in the context → path in the event's data",
    },
    "action: webhook": {**_REQUEST, "url": "where to"},
    "action: erp, by connector": {
        **_REQUEST,
        "connector": "its key",
        "path": "expression for what follows its address",
    },
    "action: erp, by activity": _AT_A_SITE,
    "action: expression": {**_EACH_ACTION, "set": "path in the context → expression"},
    "action: start_process": {
        **_EACH_ACTION,
        "process": "key: the version in force; either this or `process_id`",
        "process_id": "this very version",
        "subjects": "as for `child_workflow`",
        "name": "what the new instance is called",
        "values": "path in its context → expression over ours",
    },
    "action: activity": _AT_A_SITE,
    "join": {"require": "for how many branches it waits, or `all`, which holds unless told"},
    "decision_table": {
        "hit_policy": "which rules count",
        "inputs": "what is looked at",
        "outputs": "what a rule says; the first is the result",
        "rules": "in turn",
        "context": "path in the context where the outputs are kept",
        "name": "for people",
    },
    "decision_table: inputs": {"expression": "in CEL", "label": "for people"},
    "decision_table: outputs": {"name": "of the output", "label": "for people"},
    "decision_table: rules": {
        "when": "a test for each input; `-` takes anything",
        "then": "a value for each output",
        "description": "for people",
    },
    "edge": {
        "measurement_definition": "key of what was measured; this or the id is needed",
        "measurement_definition_id": "the same by id",
        "operator": "how the subject's last value is compared",
        "value": "with what; *needed*, as is `operator`",
    },
}
