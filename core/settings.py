"""The one settings class: environment variables ``OPTICSTREAM_*`` over ``settings.yaml`` in the application's home."""

import os
from pathlib import Path
from typing import Any, Literal

import platformdirs
import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from opticstream.core.errors import BadInput
from opticstream.core.process_identity import default_host_name
from opticstream.core.validation import problems


def _default_home() -> Path:
    return Path(os.environ.get("OPTICSTREAM_HOME") or platformdirs.user_data_dir("opticstream", appauthor=False))


class Settings(BaseSettings):
    """Settings of this process; read where they are used, so that tests override them by environment."""

    model_config = SettingsConfigDict(env_prefix="OPTICSTREAM_", extra="forbid", frozen=True, env_ignore_empty=True)

    home: Path = Field(
        default_factory=_default_home,
        description="Application home: state, embedded server, settings, caches. Nothing is written elsewhere.",
    )
    state_url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL of the state store; absent: SQLite file state.db in the home.",
    )
    lease_s: float = Field(
        60, ge=0.2, description="Seconds a claim holds without renewal; renewed every third of it by a live worker."
    )
    max_attempts: int = Field(3, ge=1, description="Claims of one stage before the unit is failed for good.")
    retry_backoff_s: tuple[float, ...] = Field(
        (0, 30, 300), description="Seconds to wait before attempt 1, 2, 3, ... (JSON list); the last one repeats."
    )
    reconcile_after_s: float = Field(
        30, ge=0, description="Seconds a ready unit may stay unclaimed before it counts as stalled."
    )
    dispatch: Literal["event", "run"] = Field(
        "event", description="How ready units reach a deployment: by event trigger, or by creating the run directly."
    )
    host_name: str = Field(
        default_factory=default_host_name,
        description="Name under which this host's processes hold claims; must differ between hosts.",
    )
    server_port: int = Field(
        4200, ge=0, le=65535, description="First port to try for the embedded Prefect server; 0 takes any free one."
    )
    kernel_cache: Path | None = Field(
        None, description="Folder of compiled kernels, so that each machine compiles once; absent: cache in the home."
    )
    path_map: dict[str, str] = Field(
        {},
        description="Folders of other hosts and where this one sees them (JSON object), the longest first that fits: "
        '{"D:\\": "/mnt/rig-d"}.',
    )
    rig_config: Path | None = Field(
        None, description="This rig's configuration, a TOML file; absent: the platform's place for it."
    )
    metadata_service_base_url: str = Field(
        "http://aind-metadata-service",
        description="Address of the lab's metadata service; the parameter of the same name wins.",
    )
    server_start_timeout_s: float = Field(180, gt=0, description="Seconds to wait for the embedded server's health.")
    scope_grace_s: float = Field(
        1.2, gt=0, description="Seconds a live microscope's processes may take to close their files when it ends."
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, settings.yaml."""
        home = init_settings().get("home") or _default_home()
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, Path(home) / "settings.yaml")

    @property
    def kernels(self) -> Path:
        """Folder of compiled kernels."""
        return self.kernel_cache or self.home / "cache" / "kernels"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        BadInput: naming every variable or key that cannot be used.
    """
    try:
        return Settings(**overrides)
    except SettingsError as error:  # a list or object that is not JSON, before any field is looked at
        name = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "?")
        variable = f"OPTICSTREAM_{name.upper()}"
        example = '{"D:\\\\": "/mnt/rig-d"}' if name == "path_map" else "[0, 30]"
        raise BadInput(
            variable, found=repr(os.environ.get(variable)), expected=f"JSON, for example {example}"
        ) from None
    except yaml.YAMLError as error:
        file = Path(overrides.get("home") or _default_home()) / "settings.yaml"
        raise BadInput(str(file), found=" ".join(str(error).split()), expected="YAML lines of `name: value`") from None
    except ValidationError as error:
        raise BadInput(
            "settings",
            found=problems(error, _known_as),
            action="Mend the environment variable or settings.yaml in the home.",
        ) from None


def _known_as(path: str) -> str:
    """Return the variable of a field; a name that is no field can only stand in the file."""
    name = path.partition(".")[0]
    return f"OPTICSTREAM_{name.upper()}" if name in Settings.model_fields else f"key {name!r} of settings.yaml"
