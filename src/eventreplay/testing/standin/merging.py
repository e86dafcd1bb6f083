"""MERGE by DuckDB's own, in one step.

After looking for source rows that would change one target row twice.
"""

from typing import Any

from fakesnow import statement_type
from sqlglot import exp

from eventreplay.testing.standin.failures import SqlError
from eventreplay.testing.standin.results import Result
from eventreplay.testing.standin.session import Run, Session
from eventreplay.testing.standin.translate import Cursor

_WORDS = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}


def _ambiguous(expression: exp.Merge) -> str:
    """A query that counts target rows which more than one source row would update or delete."""
    target = expression.this.copy()
    name = target.alias or target.name
    condition = expression.args["on"].sql(dialect="duckdb")
    matched = [when for when in expression.args["whens"].expressions if when.args.get("matched")]
    if all(when.args.get("condition") is not None for when in matched):
        either = " OR ".join(f"({when.args['condition'].sql(dialect='duckdb')})" for when in matched)
        condition = f"({condition}) AND ({either})"
    source = expression.args["using"].sql(dialect="duckdb")
    with_ = expression.args.get("with_")
    before = f"{with_.sql(dialect='duckdb')} " if with_ is not None else ""
    return (
        f'{before}SELECT count(*) FROM (SELECT "{name}".rowid FROM {target.sql(dialect="duckdb")} '  # noqa: S608 - the statement's own
        f'JOIN {source} ON {condition} GROUP BY "{name}".rowid HAVING count(*) > 1)'
    )


def merge(session: Session, expression: exp.Merge, params: Any, key: str, reads: set[str]) -> Result:
    """Run a MERGE: all of it or nothing.

    Raises:
        SqlError: 100090, one target row would be updated or deleted by several source rows.
    """
    whens = expression.args["whens"].expressions
    changes = any(when.args.get("matched") for when in whens)
    kinds = [_kind(when) for when in whens]
    own = None if params is None else params if isinstance(params, dict) else list(params)
    translated = Cursor(session).translate(expression.copy(), own)
    assert isinstance(translated, exp.Merge)
    text = translated.sql(dialect="duckdb") + " RETURNING merge_action"

    def work(run: Run) -> dict[str, int]:
        if changes:
            doubles = session.duck.execute(
                _ambiguous(translated), own if "?" in _ambiguous(translated) else None
            )
            row = doubles.fetchone()
            if row is not None and row[0]:
                raise SqlError(
                    "Duplicate row detected during DML action\nRow Values: [hidden]", 100090, "42P18"
                )
        actions = [action for (action,) in run(text, own).fetchall()]
        return {word: actions.count(action) for action, word in _WORDS.items()}

    counts = session.write(work, writes={key}, exclusive={key}, reads=reads)
    shown = {
        f"number of rows {word}": counts[word] for word in ("inserted", "updated", "deleted") if word in kinds
    }
    return Result.counts(shown, statement_type.MERGE)


def _kind(when: exp.When) -> str:
    then = when.args["then"]
    if isinstance(then, exp.Insert):
        return "inserted"
    return "updated" if isinstance(then, exp.Update) else "deleted"
