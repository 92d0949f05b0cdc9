"""Settings: environment variables with the prefix `READINGROOM_`, a `.env` file, a TOML file, secret files.

What is named first here wins: arguments of a command, the environment, secret files (`/run/secrets/readingroom_…`),
`.env`, the TOML file given with `--config`, defaults. A wrong value stops the start with one line for each.
"""

import os
import re
import tomllib
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import (
    AliasChoices,
    Field,
    NonNegativeFloat,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from application.authentication import RegistrationMode
from entrypoints.rate_limits import DEFAULTS, RateLimits
from entrypoints.setting_values import MIB, Duration, OptionalSecret, Size, Words, one_of_schemes, parse_list

PREFIX: Final = "READINGROOM_"
SERVER_KEY: Final = f"{PREFIX}API_KEY"  # no setting: who asks a server by `--server` shows it
SECRETS_DIR: Final = Path("/run/secrets")
_ACCEPTED: Final = {"int_parsing": "accepted: a whole number", "bool_parsing": "accepted: true or false"}  # by problem


class SettingsError(Exception):
    """One line for each wrong value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class CitationsMode(StrEnum):
    """How the model's provider takes sources."""

    NATIVE = "native"
    INLINE = "inline"


def _plain(name: str) -> AliasChoices:
    """A name without the prefix: the one the SDK uses."""
    return AliasChoices(name, f"{PREFIX}{name}".lower())


class TomlFile(TomlConfigSettingsSource):
    """The file of `--config`: the variables' names, with or without the prefix, in any case."""

    def __call__(self) -> dict[str, Any]:
        """Its values by field; a name that means nothing is refused, since it is most likely misspelt."""
        values = {name.lower().removeprefix(PREFIX.lower()): value for name, value in super().__call__().items()}
        strange = sorted(values.keys() - Settings.model_fields.keys())
        if strange:
            raise ValueError(f"unknown settings: {', '.join(strange)}")
        return values

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        try:
            return super()._read_file(file_path)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"not valid TOML: {error}") from error


class Settings(BaseSettings):
    """Everything that an installation may decide. The description of a field is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=True,
    )

    host: str = Field("127.0.0.1", description="Where the server listens.", min_length=1)
    port: int = Field(8000, ge=0, le=65535, description="The port it listens on; 0 takes a free one.")
    data_dir: Path = Field(Path("data"), description="Everything embedded lives here; safe to back up when stopped.")

    database_url: Annotated[str | None, one_of_schemes("postgresql://", "postgres://")] = Field(
        None, description="Postgres 15 or newer; embedded when unset."
    )
    redis_url: Annotated[str | None, one_of_schemes("redis://", "rediss://", "redis+cluster://", "unix://")] = Field(
        None, description="Redis 7 or newer, or Valkey; embedded when unset."
    )
    qdrant_url: Annotated[str | None, one_of_schemes("http://", "https://")] = Field(
        None, description="Qdrant server or cluster; embedded when unset."
    )
    qdrant_api_key: OptionalSecret = Field(None, description="The key of that server.")
    qdrant_shards: int | None = Field(
        None, ge=1, description="Shards of a new index in a cluster; the server's choice when unset."
    )
    qdrant_replicas: int | None = Field(
        None, ge=1, description="Copies of each shard of a new index; the server's choice when unset."
    )
    qdrant_on_disk: bool = Field(False, description="A new index reads dense vectors from disk, not from memory.")
    qdrant_quantization: bool = Field(
        False, description="A new index keeps int8 copies of dense vectors in memory, to search in them first."
    )
    qdrant_graph_from: int = Field(
        20_000, ge=0, description="Passages from which the embedded index builds a graph (HNSW); 0 builds none."
    )
    blob_url: Annotated[str | None, one_of_schemes("file://", "s3://")] = Field(
        None,
        description="Where original files are kept; file://{DATA_DIR}/blobs when unset. s3://bucket/prefix takes "
        "endpoint, region and keys from the usual AWS_ variables.",
    )

    anthropic_api_key: OptionalSecret = Field(
        None,
        validation_alias=_plain("ANTHROPIC_API_KEY"),
        description="Claude's key; without one answers are extractive.",
    )
    anthropic_base_url: Annotated[str | None, one_of_schemes("http://", "https://")] = Field(
        None,
        validation_alias=_plain("ANTHROPIC_BASE_URL"),
        description="Another server that speaks the Messages API.",
    )
    claude_model: str = Field("claude-sonnet-5-5", min_length=1, description="Any model id.")
    citations_mode: CitationsMode = Field(
        CitationsMode.NATIVE, description="`inline` for Messages-API servers that drop search results."
    )
    max_answer_tokens: int = Field(4096, ge=64, le=128_000, description="Longest answer, thinking included.")

    answer_timeout: Duration = Field(timedelta(minutes=10), description="Longest time that one answer may take.")
    answers_per_user: int = Field(8, ge=1, description="Answers written at once for one person in a workspace.")
    answers_per_workspace: int = Field(100, ge=1, description="Answers written at once in one workspace.")
    monthly_tokens_per_user: int | None = Field(
        None, ge=1, description="Tokens for one person in a workspace and calendar month; unlimited when unset."
    )
    monthly_tokens_per_workspace: int | None = Field(
        None, ge=1, description="Tokens for a workspace and calendar month; unlimited when unset."
    )
    model_prices: dict[str, tuple[NonNegativeFloat, NonNegativeFloat]] = Field(
        {
            "claude-opus-5-5": (4.0, 20.0),
            "claude-sonnet-5-5": (2.0, 10.0),
            "claude-haiku-5-5": (0.1, 0.5),
            "claude-fable-5": (10.0, 50.0),
        },
        description="JSON: by model, dollars for a million tokens in and out; a name also stands for its versions.",
    )

    embedding_model: str | None = Field(
        None, description="A sentence-transformers name or folder; the model that the package brings when unset."
    )
    embedding_url: Annotated[str | None, one_of_schemes("http://", "https://")] = Field(
        None, description="A server that speaks the OpenAI embeddings API; a process of its own when unset."
    )
    embedding_api_key: OptionalSecret = Field(None, description="The key of that server.")
    embedding_dimensions: int | None = Field(
        None, ge=1, le=65_536, description="Length of that server's vectors; asked of it when unset."
    )
    embedding_dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="`auto` picks the fastest that keeps cosine >= 0.999 to float32 on this processor."
    )

    reranker_model: str | None = Field(
        None,
        description="A cross-encoder's folder or name, for searches that ask for `rerank`: run by the embedding "
        "process, or asked of EMBEDDING_URL. None when unset.",
    )

    secret_key: OptionalSecret = Field(
        None, description="Signs tokens; made and kept in DATA_DIR when Postgres is embedded, required otherwise."
    )
    previous_secret_keys: OptionalSecret = Field(
        None, description="Former secret keys, separated by commas: what they signed stays good until it expires."
    )
    access_token_ttl: Duration = Field(timedelta(minutes=15), description="How long an access token is good.")
    refresh_token_ttl: Duration = Field(timedelta(days=30), description="How long a login lasts unused.")
    registration: RegistrationMode | None = Field(
        None, description="`open`, `invite` or `closed`; open when Postgres is embedded, else invite."
    )
    max_upload_bytes: Size = Field(100 * MIB, description="Largest file that is taken.")
    allowed_origins: Words = Field((), description="Origins of browsers that may call; the same origin always may.")

    rate_limits: RateLimits = Field(
        DEFAULTS, description="`on`, `off`, or limits of one's own: `chat=20/1m, read=600/1m`; the others keep theirs."
    )
    trusted_proxies: Words = Field(
        (), description="Addresses or networks whose X-Forwarded-For and -Proto are believed; `*` for any."
    )

    worker_concurrency: int = Field(2, ge=1, le=64, description="Documents ingested at once by one worker.")
    parser_processes: int = Field(2, ge=1, le=64, description="Files read at once by one worker.")
    parse_timeout: Duration = Field(timedelta(minutes=2), description="Longest time that reading one file may take.")
    parse_memory: Size = Field(1536 * MIB, description="Most memory that reading one file may take.")
    max_pages: int = Field(3000, ge=1, description="Most pages that one file may have.")

    room_retention: Duration | None = Field(
        None, ge=timedelta(hours=1), description="How long events of rooms are kept; for ever when unset."
    )

    log_format: Literal["console", "json"] | None = Field(None, description="`console` on a terminal, else `json`.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:  # noqa: PLR2004 256 bits in hex would be 64
            raise ValueError("accepted: at least 32 random characters")
        return value

    @field_validator("previous_secret_keys")
    @classmethod
    def _each_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        keys = parse_list(value.get_secret_value()) if value is not None else ()
        if any(len(key) < 32 for key in keys):  # noqa: PLR2004 as above
            raise ValueError("accepted: at least 32 random characters each, separated by commas")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not re.fullmatch(r"https?://[^/\s]+", origin) for origin in value):
            raise ValueError("accepted: origins such as https://example.org, separated by commas")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            if network != "*":
                try:
                    ip_network(network)
                except ValueError as error:
                    raise ValueError("accepted: addresses or networks such as 10.0.0.0/8, or *") from error
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order in which they win; the TOML file comes last."""
        sources = [init_settings, env_settings, file_secret_settings, dotenv_settings]
        if settings_cls.model_config.get("toml_file"):
            sources.append(TomlFile(settings_cls))
        return tuple(sources)

    # What follows from the settings.

    @property
    def postgres_is_embedded(self) -> bool:
        """Whether we run the database ourselves, and so may change its schema and keep its secrets."""
        return self.database_url is None

    @property
    def earlier_secret_keys(self) -> tuple[str, ...]:
        """Keys that sign no more but are still believed."""
        keys = self.previous_secret_keys
        return () if keys is None else tuple(parse_list(keys.get_secret_value()))

    @property
    def registration_mode(self) -> RegistrationMode:
        """The setting, or what fits the installation."""
        if self.registration is not None:
            return self.registration
        return RegistrationMode.OPEN if self.postgres_is_embedded else RegistrationMode.INVITE

    @property
    def blob_root(self) -> Path | None:
        """The folder of original files; None where they are not kept in one."""
        if self.blob_url is None:
            return self.data_dir / "blobs"
        if not self.blob_url.startswith("file://"):
            return None
        return Path(unquote(urlsplit(self.blob_url).path))

    @property
    def answers_by(self) -> str:
        """Who answers, in words for the start-up lines and `/readyz`."""
        if self.anthropic_api_key is None:
            return "extractive (no ANTHROPIC_API_KEY is set)"
        return f"{self.claude_model} at {self.anthropic_base_url or 'the Anthropic API'}"


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    return name.upper() if name.startswith("anthropic_") else PREFIX + name.upper()


def load_settings(config: Path | None = None, **arguments: Any) -> Settings:
    """Read them all; `SettingsError` names every wrong one.

    `arguments` are what a command's flags said; None among them means that the flag was not given.
    """
    if config is not None and not config.is_file():
        raise SettingsError([f"--config: there is no file {config}"])

    class Configured(Settings):
        model_config = SettingsConfigDict(toml_file=config, secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None)

    try:
        return Configured(**{name: value for name, value in arguments.items() if value is not None})
    except ValidationError as error:
        raise SettingsError([_line(problem) for problem in error.errors(include_url=False)]) from error
    except ValueError as error:  # a .env or TOML file that cannot be read
        raise SettingsError([f"{config or '.env'}: {error}"]) from error


def _line(problem: Any) -> str:
    field = str(problem["loc"][0]).lower().removeprefix(PREFIX.lower()) if problem["loc"] else "settings"
    message = _ACCEPTED.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    # URLs may carry a password, so only what is neither a secret nor a URL is repeated.
    annotation = str(Settings.model_fields[field].annotation) if field in Settings.model_fields else "Secret"
    hidden = "Secret" in annotation or field.endswith("_url")
    told = f" {'the value' if hidden else repr(problem['input'])} is not accepted;"
    return f"{variable_of(field)}:{told} {message[0].lower()}{message[1:]}"


def effective(settings: Settings) -> dict[str, Any]:
    """Every variable with its value; secrets and the passwords in URLs are masked.

    Where the installation decides what an unset one means, that is shown; None is left for what there is none of.
    """
    shown: dict[str, Any] = {}
    follows = {
        "registration": settings.registration_mode.value,
        "blob_url": settings.blob_url or (settings.data_dir.absolute() / "blobs").as_uri(),
    }
    for name, value in (settings.model_dump(mode="json") | follows).items():
        if value is not None and isinstance(getattr(settings, name), SecretStr):
            shown[variable_of(name)] = "********"
        else:
            shown[variable_of(name)] = mask_url(value) if isinstance(value, str) and "://" in value else value
    return shown


def mask_url(url: str) -> str:
    """The same URL with its password, if any, as `********`."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":********@")))


def unknown_variables() -> list[str]:
    """Variables with our prefix that mean nothing: most likely misspelt."""
    known = {SERVER_KEY, *(variable_of(name) for name in Settings.model_fields)}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
