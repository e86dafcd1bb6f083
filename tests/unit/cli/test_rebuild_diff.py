"""`rebuild diff`: what is printed, what the exit code says, and the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from eventreplay.log import Log
from tests.unit.cli.conftest import Run
from tests.unit.rebuild.diffing import CLICKS, ORDERS, Company, VersionedCodec, company

EDIT = "UPDATE MART.fct_clicks SET clicks = clicks + 1 WHERE stream_id = 'click-3'"
HOSTILE = "<script>alert(1)</script> \x1b[31m\u202e {{ 7*7 }}"


@pytest.fixture
def made(folder: Path) -> Company:
    """A changed codec; the plan's file lies beside."""
    log = Log.open(folder / "log")
    new = VersionedCodec({ORDERS: 2, CLICKS: 1})
    found = company(folder, log, after=new, count=100)
    (folder / "g1.plan.json").write_text(found.plan.text(), "ascii")
    return found


@pytest.mark.usefixtures("made")
def test_it_says_what_would_change_and_why(run: Run) -> None:
    code, out, err = run("rebuild", "diff", "g1.plan.json")
    assert code == 0, err
    assert "Every change is explained." in out
    (line,) = [line for line in out.splitlines() if re.match(r" *fct_orders +\d", line)]
    assert "explained: stg_orders differs" in line
    assert "the codec of order is another one" in out
    assert re.search(r"changed +journal, \d+ +payload", out)
    assert "diff g1: 8 tables" in err


def test_an_edited_row_is_unexplained_and_the_exit_code_says_so(made: Company, run: Run) -> None:
    made.edit(EDIT)
    code, out, _ = run("rebuild", "diff", "g1.plan.json", "--samples", "0")
    assert code == 1
    assert "Unexplained: fct_clicks." in out
    assert "some of them" not in out
    code, out, _ = run("rebuild", "diff", "g1.plan.json", "--json", "--model", "fct_clicks")
    facts = json.loads(out)
    assert (code, facts["ok"], facts["unexplained"]) == (1, False, ["fct_clicks"])
    table = facts["tables"][-1]
    assert (table["name"], table["state"], table["rows"]["changed"]) == ("fct_clicks", "unexplained", 1)
    assert table["samples"][0]["key"] == {"stream_id": "click-3"}
    assert table["metrics"]["names"] == ["rows", "clicks"]


def test_the_page_holds_all_it_needs_and_escapes_what_is_in_it(made: Company, run: Run, folder: Path) -> None:
    made.edit(EDIT, f"UPDATE MART.fct_orders SET currency_code = '{HOSTILE}' WHERE order_id = 'e0'")
    code, out, err = run("rebuild", "diff", "g1.plan.json", "--json", "--page", "diff.html")
    assert (code, json.loads(out)["page"]) == (1, "diff.html"), err
    page = (folder / "diff.html").read_text("utf-8")
    assert "Unexplained: fct_clicks" in page
    assert page.index('<bdi>fct_clicks</bdi> <span class="wrong">') < page.index(
        "<bdi>RAW.EVENTS</bdi> <span"
    )
    assert "<script>alert" not in page
    assert "49" not in re.findall(r"&lt;/script&gt; [^<]*", page)[0]
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert page.count("<svg") >= 4
    assert not re.findall(r"(?:src|href)=\"(?!#|data:,)", page)
    assert "default-src 'none'" in page
    code, _, _ = run("rebuild", "diff", "g1.plan.json", "--json", "--page", "again.html")
    assert (folder / "again.html").read_text("utf-8") == page


def test_what_cannot_be_compared_is_said(made: Company, run: Run, folder: Path) -> None:
    code, _, err = run("rebuild", "diff", "g1.plan.json", "--model", "nothing")
    assert code == 2
    assert "no model 'nothing'" in err
    (folder / "g1.plan.json").write_text(made.plan.text().replace('"first"', '"other"'), "ascii")
    code, _, err = run("rebuild", "diff", "g1.plan.json")
    assert code == 1
    assert "changed after it was made" in err
    assert run("rebuild", "diff", "nothing.json")[0] == 1
    assert run("rebuild", "diff", "g1.plan.json", "--samples", "-1")[0] == 2
