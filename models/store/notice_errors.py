"""Errors of notices that a person can cause; see `models.store.errors`."""

from models.store.errors import StoreError


class NotificationUnknownError(StoreError):
    """There is no notification {id} of yours here."""

    code = "notification_unknown"


class NoticeKindUnknownError(StoreError):
    """There is no kind of notice '{kind}'. Known are: {known}."""

    code = "notice_kind_unknown"


class TemplateRefusedByRulesError(StoreError):
    """The {part} of the template is refused: {detail}."""

    code = "template_refused"


class WebhookUnknownError(StoreError):
    """There is no webhook {id} here."""

    code = "webhook_unknown"


class ChannelUnknownError(StoreError):
    """There is no notification channel {id} here."""

    code = "channel_unknown"


class TargetRefusedByRulesError(StoreError):
    """Messages cannot be sent to this address: {detail}."""

    code = "target_refused"


class EventTypeUnknownError(StoreError):
    """These are no types of events: {unknown}. Choose from: {known}."""

    code = "event_type_unknown"


class DeliveryUnknownError(StoreError):
    """There is no delivery {id} here."""

    code = "delivery_unknown"


class DeliveryPendingError(StoreError):
    """The delivery {id} is still on its way; only one that was sent or is dead can be sent again."""

    code = "delivery_pending"
