"""Parameters that every module of the metadata service reads."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from opticstream.rig.modules import ModuleParameters
from opticstream.rig.parameter_types import PositiveSeconds, Whole


class MetadataParameters(ModuleParameters):
    """How the service is reached."""

    ALIASES: ClassVar[Mapping[str, str]] = {"metadata_api_base_url": "metadata_service_base_url"}

    metadata_service_base_url: str | None = Field(
        None, description="Address of the service; absent: the setting `OPTICSTREAM_METADATA_SERVICE_BASE_URL`."
    )
    metadata_service_timeout: PositiveSeconds = Field(10, description="Longest time one request may take, seconds.")
    metadata_service_retries: Annotated[Whole, Field(ge=0, le=20)] = Field(
        2, description="How often a request is repeated when the service does not answer, or with an error of its own."
    )
    metadata_service_cache: bool = Field(
        True, description="Whether the last good answer, however old, stands in for a service that does not answer."
    )


class RecordParameters(MetadataParameters):
    """Of the modules that fetch a record."""

    metadata_require_valid: bool = Field(
        False, description="Whether a record that the service itself calls invalid is a failure."
    )
