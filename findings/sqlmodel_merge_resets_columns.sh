#!/usr/bin/env bash
# Session.merge with an SQLModel object sets every column that was not given back to its default.
#
# Seen with sqlmodel 0.0.50, SQLAlchemy 2.1.9 on Python 3.11.
#
# The usual guess: `merge` writes what the given object holds and leaves the rest of the row alone.
# That is how SQLAlchemy describes it: only attributes that are set on the object are copied. So
# `session.merge(Card(id=1, question="…"))` corrects a question, and an SQLModel class behaves like
# the SQLAlchemy class with the same columns.
#
# What happens: SQLModel's constructor, as Pydantic's, sets every default on the object, and `merge`
# cannot tell them from values that were given. So the card's eleven reviews are 0 again and its
# stability is NULL. SQLAlchemy's own classes, its dataclasses included, change the question alone.
#
# What helps: `session.get`, then `row.sqlmodel_update({"question": "…"})`; `session.merge` only
# with objects that were given every column.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'sqlmodel==0.0.50' 'sqlalchemy==2.1.9'

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlmodel import Field, Session, SQLModel, create_engine

print(f"sqlmodel {version('sqlmodel')}, SQLAlchemy {version('sqlalchemy')}")


class OfSQLModel(SQLModel, table=True):
    id: int = Field(primary_key=True)
    question: str
    reviews: int = 0
    stability: float | None = None


class Declarative(DeclarativeBase):
    pass


class OfSQLAlchemy(Declarative):
    __tablename__ = "of_sqlalchemy"
    id: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[str]
    reviews: Mapped[int] = mapped_column(default=0)
    stability: Mapped[float | None] = mapped_column(default=None)


class Dataclasses(MappedAsDataclass, DeclarativeBase):
    pass


class OfDataclass(Dataclasses):
    __tablename__ = "of_dataclass"
    id: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[str]
    reviews: Mapped[int] = mapped_column(default=0)
    stability: Mapped[float | None] = mapped_column(default=None)


engine = create_engine("sqlite://")
for metadata in (SQLModel.metadata, Declarative.metadata, Dataclasses.metadata):
    metadata.create_all(engine)

found = {}
for kind in (OfSQLModel, OfSQLAlchemy, OfDataclass):
    with Session(engine) as session:
        card = kind(id=1, question="Waht?", reviews=11, stability=40.0)
        session.add(card)
        session.commit()
    with Session(engine) as session:
        session.merge(kind(id=1, question="What?"))
        session.commit()
    with Session(engine) as session:
        row = session.get(kind, 1)
        assert row.question == "What?"
        found[kind] = (row.reviews, row.stability)
        print(f"{kind.__name__:12}  reviews={row.reviews}, stability={row.stability}")

assert found[OfSQLAlchemy] == (11, 40.0)
assert found[OfDataclass] == (11, 40.0)
assert found[OfSQLModel] == (0, None), "changed: SQLModel keeps what was not given"

with Session(engine) as session:
    session.merge(OfSQLModel(id=1, question="What?", reviews=11, stability=40.0))
    session.commit()
    session.get(OfSQLModel, 1).sqlmodel_update({"question": "What is it?"})
    session.commit()
    row = session.get(OfSQLModel, 1)
    assert (row.question, row.reviews, row.stability) == ("What is it?", 11, 40.0)
print("as found: with SQLModel, a merge of two columns resets the others")
PYTHON
