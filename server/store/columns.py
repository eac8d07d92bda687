"""The columns that every table is made of: organisation first, nothing null without a reason."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    MetaData,
    SmallInteger,
    String,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)


def org() -> "Column[int]":
    return Column("organisation", SmallInteger, primary_key=True, autoincrement=False)


def key(name: str, length: int = 64) -> "Column[str]":
    return Column(name, String(length), primary_key=True)


def text_column(name: str) -> "Column[str]":
    return Column(name, Text, nullable=False, server_default="")


def ordered_text(name: str) -> "Column[str]":
    """Text in the order of its bytes, so that what begins with a text is a range of an index."""
    type_ = Text().with_variant(Text(collation="C"), "postgresql")
    return Column(name, type_, nullable=False, server_default="")


def int_column(name: str) -> "Column[int]":
    return Column(name, BigInteger, nullable=False, server_default="0")


def number_column(name: str) -> "Column[float]":
    return Column(name, Double, nullable=False, server_default="0")


def flag(name: str) -> "Column[bool]":
    return Column(name, Boolean, nullable=False, server_default=text("false"))
