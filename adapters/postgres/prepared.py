"""Statements that are compiled once, for what nearly every request asks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

Values = Mapping[str, Any]

_DIALECT: Final = dialect.dialect()  # type: ignore[no-untyped-call]


@frozen
class Prepared:
    """A statement and the names of its `bindparam`s in the order in which SQL counts them."""

    sql: str
    names: tuple[str, ...]
    constants: Values
    reads: bool  # and does nothing else: neither writes nor locks

    @classmethod
    def of(cls, statement: ClauseElement, columns: Sequence[str] | None = None) -> "Prepared":
        """Of values that the driver takes as they are: texts, numbers, times, ids, bytes.

        `columns` are those that an INSERT fills.
        """
        compiled = statement.compile(dialect=_DIALECT, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 for this dialect
        sql = str(compiled)
        return cls(
            sql=sql,
            names=tuple(compiled.positiontup or ()),
            constants=dict(compiled.params),
            reads=isinstance(statement, Select) and " FOR " not in sql,
        )

    def arguments(self, values: Values) -> list[Any]:
        """By their place."""
        constants = self.constants
        return [values[name] if name in values else constants[name] for name in self.names]
