"""Names and payloads of the events opticstream announces; labs trigger on these names, so they do not change."""

from typing import Any, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, ValidationError

from opticstream.core.errors import BadInput
from opticstream.core.identifiers import BatchId, MosaicId, OCTSliceId
from opticstream.core.validation import problems

BATCH_READY = "linc.opticstream.psoct.batch.ready"
BATCH_PROCESSED = "linc.opticstream.psoct.batch.processed"
BATCH_ARCHIVED = "linc.opticstream.psoct.batch.archived"
BATCH_UPLOADED = "linc.opticstream.psoct.batch.uploaded"
MOSAIC_READY = "linc.opticstream.psoct.mosaic.ready"
SLICE_READY = "linc.opticstream.psoct.slice.ready"

PROJECT_LABEL = "linc.opticstream.project"
"""Key of the event resource label that carries the project's name."""

_NAMESPACE = UUID("5f1ce0b4-6a55-5f3c-9a5e-0c7b1e6d2a41")


class EventPayload(BaseModel):
    """Base of every payload; unknown keys are kept, for the labs that add their own."""

    model_config = ConfigDict(frozen=True, extra="allow")


class BatchReady(EventPayload):
    """A batch's tiles are on disk, whole and stable."""

    batch_ident: BatchId
    file_list: list[str]
    project_base_path: str
    force_rerun: bool = False
    dispatch_no: int | None = None
    """Under which the gate has offered it; the event may come twice, the second finds it done. None: another's event."""


class BatchProcessed(EventPayload):
    """A batch's products are published and verified."""

    batch_ident: BatchId


class MosaicReady(EventPayload):
    """Every batch of a mosaic is completed."""

    mosaic_ident: MosaicId


class SliceReady(EventPayload):
    """Every mosaic of a slice is stitched."""

    slice_ident: OCTSliceId


PAYLOADS: dict[str, type[EventPayload]] = {
    BATCH_READY: BatchReady,
    BATCH_PROCESSED: BatchProcessed,
    MOSAIC_READY: MosaicReady,
    SLICE_READY: SliceReady,
}

P = TypeVar("P", bound=EventPayload)


def event_id(event: str, resource: str, occurrence: str) -> UUID:
    """Return the id under which an event is posted, the same however often it is posted again.

    Args:
        event: event name.
        resource: ``prefect.resource.id`` of the unit.
        occurrence: what tells one occurrence from the next: the unit's row, and its dispatch number or the token.
    """
    return uuid5(_NAMESPACE, f"{event}\n{resource}\n{occurrence}")


def read_payload(model: type[P], payload: dict[str, Any]) -> P:
    """Validate an event's payload.

    Raises:
        BadInput: naming every field that is missing or wrong.
    """
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        raise BadInput(
            f"payload of {model.__name__}",
            found=problems(error),
            expected=", ".join(name for name, field in model.model_fields.items() if field.is_required()),
            action="Mend the emitter or the trigger's parameter template.",
        ) from None
