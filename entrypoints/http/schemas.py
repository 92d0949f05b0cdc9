"""What comes in: the bodies of requests, with examples."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from application.knowledge import MAX_LIMIT, SearchFilters
from domain.access import Scope
from domain.ids import CollectionId, DocumentId
from domain.passages import SearchMode
from domain.workspaces import Visibility

MAX_DEPTH: Final = 32
MAX_IDS: Final = 1000


def _is_written(time: object) -> object:
    """Numbers are seconds since 1970 to pydantic, and to nobody else."""
    if time is not None and not (isinstance(time, str) and "-" in time[1:]):
        raise PydanticCustomError("time_parsing", "Input should be written as in RFC 3339, such as 2026-11-01")
    return time


Day = Annotated[date, BeforeValidator(_is_written)]
Moment = Annotated[AwareDatetime, BeforeValidator(_is_written)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Words = Annotated[list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=MAX_IDS)]
Identifiers = Annotated[list[UUID], Field(max_length=MAX_IDS)]


def check_plain(value: object, at: tuple[int | str, ...] = ()) -> None:
    """Refuse what no text column takes (NUL, half a surrogate pair) and nesting that nobody means."""
    if len(at) > MAX_DEPTH:
        raise PydanticCustomError("too_deep", "nested deeper than {depth}", {"depth": MAX_DEPTH})
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise PydanticCustomError("not_plain", "text must not hold NUL or unpaired surrogates", {"at": at})
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            check_plain(key, at)
            check_plain(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            check_plain(inner, (*at, number))


class Body(BaseModel):
    """Base of all request bodies. Members that are not known are left aside."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        check_plain(data)
        return data


def example(**members: Any) -> ConfigDict:
    """The model's settings with one example."""
    return ConfigDict(frozen=True, json_schema_extra={"examples": [members]})


class RegisterBody(Body):
    """A new account."""

    model_config = example(email="ada@example.org", password="a long passphrase of mine", name="Ada")  # noqa: S106 an example
    email: str = Field(max_length=1000)
    password: str = Field(max_length=10_000, description="At least 12 characters, none of the common ones.")
    name: str = Field(max_length=1000)
    invitation_token: str | None = Field(
        default=None, min_length=1, max_length=1000, description="To join the workspace that invites this e-mail."
    )


class LogInBody(Body):
    """E-mail and password."""

    model_config = example(email="ada@example.org", password="a long passphrase of mine")  # noqa: S106 an example
    email: str = Field(max_length=1000)
    password: str = Field(max_length=10_000)


class RefreshTokenBody(Body):
    """The refresh token of a token pair."""

    model_config = example(refresh_token="rrr_l0ngAndRand0m")  # noqa: S106 an example
    refresh_token: str = Field(min_length=1, max_length=1000)


class PasswordBody(Body):
    """The present password and the next."""

    model_config = example(current_password="a long passphrase of mine", new_password="another long passphrase")  # noqa: S106 an example
    current_password: str = Field(max_length=10_000)
    new_password: str = Field(max_length=10_000, description="At least 12 characters, none of the common ones.")


class ApiKeyBody(Body):
    """A new key."""

    model_config = example(name="Nightly import", scopes=["read", "write"], expires_at="2027-06-30T00:00:00Z")
    name: str
    scopes: list[Scope] = Field(max_length=20)
    expires_at: Moment | None = Field(default=None, description="For ever when left out.")
    collection_ids: Identifiers | None = Field(default=None, description="All that you may read when left out.")


RoleWord = Literal["owner", "admin", "editor", "viewer"]


class RoleBody(Body):
    """Another role."""

    model_config = example(role="editor")
    role: RoleWord


class InvitationBody(Body):
    """An invitation."""

    model_config = example(email="grace@example.org", role="editor")
    email: str = Field(max_length=1000)
    role: RoleWord


class InvitationTokenBody(Body):
    """The token of an invitation."""

    model_config = example(token="rri_l0ngAndRand0m")  # noqa: S106 an example
    token: str = Field(min_length=1, max_length=1000)


class NameBody(Body):
    """A workspace's name."""

    model_config = example(name="Research")
    name: str


class CollectionBody(Body):
    """A new collection."""

    model_config = example(name="Contracts", description="Signed ones only", visibility="workspace")
    name: str
    description: str | None = None
    visibility: Visibility | None = None


class CollectionPatch(Body):
    """What is to change."""

    model_config = example(description="Signed and pending ones")
    name: str | None = None
    description: str | None = None
    visibility: Visibility | None = None


class DocumentPatch(Body):
    """What is to change."""

    model_config = example(title="Annual report 2025", tags=["finance"], metadata={"year": 2025})
    title: str | None = None
    tags: list[str] | None = Field(default=None, max_length=MAX_IDS)
    metadata: dict[str, Any] | None = Field(default=None, description="Strings, numbers and booleans by name.")
    collection_id: UUID | None = None


class FiltersBody(Body):
    """What a search is narrowed by; every condition must hold, and an empty list matches nothing."""

    # A misspelt condition is refused: left aside it would let everything through.
    model_config = example(tags=["finance"], created_from="2026-01-01T00:00:00Z") | ConfigDict(extra="forbid")
    collection_ids: Identifiers | None = None
    document_ids: Identifiers | None = None
    tags: Words | None = Field(default=None, description="Any of them.")
    media_types: Words | None = None
    created_from: Moment | None = Field(default=None, description="From this moment on.")
    created_to: Moment | None = Field(default=None, description="Before this moment.")
    metadata: dict[str, str | bool | int | float] | None = Field(default=None, description="All of them, equal.")

    def filters(self) -> SearchFilters:
        """In the application's words."""
        return SearchFilters(
            collection_ids=None if self.collection_ids is None else frozenset(map(CollectionId, self.collection_ids)),
            document_ids=None if self.document_ids is None else frozenset(map(DocumentId, self.document_ids)),
            tags=None if self.tags is None else frozenset(self.tags),
            media_types=None if self.media_types is None else frozenset(self.media_types),
            created_from=self.created_from,
            created_to=self.created_to,
            metadata=self.metadata,
        )


class SearchBody(Body):
    """A search."""

    model_config = example(query="How long is the notice period?", limit=5, filters={"tags": ["contracts"]})
    query: str
    limit: int = Field(default=10, ge=1, le=MAX_LIMIT)
    mode: SearchMode = SearchMode.HYBRID
    filters: FiltersBody | None = None
    max_per_document: int | None = Field(default=None, ge=1)
    rerank: StrictBool | None = Field(
        default=None,
        description="Read the best passages once more, each beside the query, where a reranker is configured; "
        "`reranked` of the answer says whether it was done.",
    )


class ConversationBody(Body):
    """A new conversation."""

    model_config = example(title="Notice periods", collection_ids=[])
    title: str | None = None
    collection_ids: Identifiers | None = Field(
        default=None, description="All that you may read when left out or empty."
    )
    instructions: str | None = None
    model: str | None = Field(default=None, max_length=200)


class MessageBody(Body):
    """A question."""

    model_config = example(content="How long is the notice period?")
    content: str
    parent_id: UUID | None = Field(default=None, description="The message it follows; the youngest when left out.")
    edits: UUID | None = Field(
        default=None, description="The question that this is a better version of; it follows what that one follows."
    )
    use_knowledge: StrictBool = True
    filters: FiltersBody | None = None


class RegenerateBody(Body):
    """What another answer may read."""

    model_config = example(use_knowledge=True)
    use_knowledge: StrictBool = True
    filters: FiltersBody | None = None


class FeedbackBody(Body):
    """What you think of an answer."""

    model_config = example(rating="up", comment="The second source is just what I needed.")
    rating: Literal["up", "down"]
    comment: str | None = None
