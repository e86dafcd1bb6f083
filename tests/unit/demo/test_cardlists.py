"""Card lists as a source: every card an event, all else a rejection, and nothing outside the folder."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from eventreplay.batch import EVENT_SCHEMA, REJECT_SCHEMA
from eventreplay.demo.cardlists import CardListSource
from eventreplay.demo.cardlists import source as source_module
from eventreplay.demo.cardlists.players import players_of
from eventreplay.demo.generator import GeneratedSource
from eventreplay.errors import ConfigError, EpochError
from eventreplay.event import Position

A, B, C = "2818ed7b-74da-4aad-8d40-5aa9af400700", "2818ed7b-74da-4aad-8d40-5aa9af400701", "plain-id_3"


def release(*cards: object, name: str = "1996 Old Mill Baseball", **extra: object) -> dict[str, object]:
    return {"name": name, "version": "1.0", "sets": [{"name": "Base Set", "cards": list(cards), **extra}]}


def card(unique_id: str = A, **extra: object) -> dict[str, object]:
    return {"uniqueId": unique_id, "number": "1", "name": "Ann Arbor", **extra}


def put(folder: Path, path: str, content: object) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    target.write_bytes(data)


def read(folder: Path, **options: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    source = CardListSource(folder, **options)
    head = source.head()
    if head is None:
        return [], []
    batches = list(source.read(None, head))
    rejected = [batch.rejected for batch in batches if batch.rejected is not None]
    events = pa.Table.from_batches([batch.events for batch in batches], schema=EVENT_SCHEMA)
    refused = pa.Table.from_batches(rejected, schema=REJECT_SCHEMA)
    positions = events["source_position"].to_pylist() + refused["source_position"].to_pylist()
    assert sorted(positions) == list(range(head + 1))
    return events.to_pylist(), refused.to_pylist()


def decoded(rows: list[dict[str, Any]], parse: Callable[[str, bytes], Any]) -> dict[str, Any]:
    return {row["stream_id"]: parse(row["event_type"], row["payload"]).card for row in rows}


def test_a_card_with_all_its_parallels_and_variations(
    tmp_path: Path, parse: Callable[[str, bytes], Any]
) -> None:
    shiny = {"name": "Gold", "numberedTo": 50, "insertOdds": [{"product": "Hobby", "odds": "1:9"}]}
    error = {"variation": "Error", "note": "no name", "attributes": ["ERR"], "parallels": [{"name": "Gold"}]}
    cards = [
        card(name="Ann Arbor / Bo Derby", attributes=["RC"], note="best ☆", numberedTo=99, weight_g=3),
        card(
            B, parallels=[{"name": "Black 1/1", "numberedTo": 1}], variations=[error, {"variation": "Error"}]
        ),
    ]
    put(tmp_path, "a/b/c/list.json", release(*cards, parallels=[shiny], numberedTo=5_000, attributes=["SET"]))
    rows, refused = read(tmp_path)
    assert refused == []
    found = decoded(rows, parse)
    assert {each.parallel: (each.print_run or None) for each in found.values() if each.base_sku == A} == {
        "": 99,
        "Gold": 50,
    }
    mine = [(each.parallel, each.print_run) for each in found.values() if each.base_sku == B]
    assert mine == [
        ("", 5_000),
        ("Gold", 50),
        ("Black 1/1", 1),
        ("Error", 0),
        ("Error / Gold", 0),
        ("Error", 0),
    ]
    assert len({row["event_id"] for row in rows}) == len({row["stream_id"] for row in rows}) == 8
    base = found[A]
    assert (base.sku, list(base.players), list(base.attributes)) == (
        A,
        ["Ann Arbor", "Bo Derby"],
        ["SET", "RC"],
    )
    assert (base.release, base.release_year, base.sport) == ("1996 Old Mill Baseball", 1996, "Baseball")
    assert (base.set_name, base.card_number, base.HasField("list_price")) == ("Base Set", "1", False)
    headers = dict(next(row["headers"] for row in rows if row["stream_id"] == A))
    assert headers["card_name"] == "Ann Arbor / Bo Derby"
    assert json.loads(headers["note"]) == "best ☆"
    assert json.loads(headers["other"]) == {"weight_g": 3}
    assert headers["file"] == "a/b/c/list.json"


@pytest.mark.parametrize(
    ("title", "players"),
    [
        ("Ann Arbor", ["Ann Arbor"]),
        ("Ann Arbor / Bo Derby / Cy", ["Ann Arbor", "Bo Derby", "Cy"]),
        ("Leaders (Ann Arbor / Bo Derby, Jr.)", ["Ann Arbor", "Bo Derby, Jr."]),
        ("All-Time: Strikeouts (Ann / Bo)", ["Ann", "Bo"]),
        ("Cut Off (Ann / Bo", ["Ann", "Bo"]),
        ("Ann Arbor/Bo Derby", ["Ann Arbor", "Bo Derby"]),
        ("Ann Arbor P/MGR", ["Ann Arbor P/MGR"]),
        ("4/10/93: Debut", ["4/10/93: Debut"]),
        ("Checklist: Owls / Foxes", ["Checklist: Owls / Foxes"]),
        ("Ann & Bo", ["Ann & Bo"]),
        (" / ", [" / "]),
    ],
)
def test_players_are_split_only_where_there_is_no_doubt(title: str, players: list[str]) -> None:
    assert players_of(title) == players


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{not json", "json_malformed"),
        (b'{"sets": [NaN]}', "json_malformed"),
        (b'{"sets": [], "sets": []}', "json_malformed"),
        (b"\xff\xfe\x00", "not_utf8"),
        (b"[" * 100_000, "json_too_deep"),
        (b'{"sets": 1' + b"0" * 5_000 + b"}", "json_malformed"),
        (b"", "json_malformed"),
        (b"[]", "not_a_card_list"),
        ({"name": "x"}, "not_a_card_list"),
        ({"sets": {"cards": []}}, "not_a_card_list"),
        ({"sets": ["x"]}, "not_a_set"),
        ({"sets": [{"name": "x"}]}, "not_a_set"),
        (release("a card"), "not_a_card"),
        (release({"name": "x"}), "unique_id_missing"),
        (release(card(unique_id="")), "unique_id_missing"),
        (release(card(unique_id="../../etc")), "unique_id_malformed"),
        (release(card(unique_id="a~gold")), "unique_id_malformed"),
        (release({"uniqueId": A}), "name_missing"),
        (release(card(name=["x"])), "name_missing"),
        (release(card(name="half \ud83c")), "text_malformed"),
        (release(card(number=7)), "number_not_text"),
        (release(card(numberedTo=0)), "print_run_malformed"),
        (release(card(numberedTo=True)), "print_run_malformed"),
        (release(card(numberedTo="50")), "print_run_malformed"),
        (release(card(numberedTo=2**32)), "print_run_malformed"),
        (release(card(attributes="RC")), "attributes_malformed"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_bytes(tmp_path: Path, content: object, code: str) -> None:
    put(tmp_path, "bad.json", content)
    put(tmp_path, "good.json", release(card(B)))
    rows, refused = read(tmp_path)
    assert [row["stream_id"] for row in rows] == [B]
    assert [each["error_code"] for each in refused] == [code]
    assert refused[0]["stream_id"].startswith("bad.json#")
    if isinstance(content, bytes):
        assert refused[0]["payload"] == content
    else:
        assert json.loads(refused[0]["payload"]) is not None


@pytest.mark.parametrize(
    ("extra", "codes"),
    [
        ({"parallels": {"name": "Gold"}}, ["not_a_list"]),
        ({"parallels": ["Gold", {"name": "Silver"}, {"numberedTo": 3}]}, ["not_an_object", "name_missing"]),
        ({"variations": [{"variation": "x", "numberedTo": -1}]}, ["print_run_malformed"]),
        ({"variations": [{"variation": "x", "parallels": [{"name": ""}]}]}, ["name_missing"]),
    ],
)
def test_a_bad_parallel_does_not_cost_the_card(
    tmp_path: Path, extra: dict[str, Any], codes: list[str]
) -> None:
    for where in ("card", "set"):
        folder = tmp_path / where
        put(folder, "x.json", release(card(**extra)) if where == "card" else release(card(), **extra))
        rows, refused = read(folder)
        assert A in {row["stream_id"] for row in rows}
        assert [each["error_code"] for each in refused] == codes


def test_a_repeated_id_counts_once_or_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "1.json", release(card()))
    put(tmp_path, "2.json", release(card(), card(name="Somebody Else"), card(B)))
    rows, refused = read(tmp_path)
    assert [row["stream_id"] for row in rows] == [A, A, B]
    assert rows[0]["event_id"] == rows[1]["event_id"]
    assert rows[0]["payload"] == rows[1]["payload"]
    assert [(each["error_code"], each["stream_id"]) for each in refused] == [
        ("duplicate_unique_id", "2.json#/sets/0/cards/1")
    ]


def test_schemas_indexes_hidden_files_and_links_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    put(tmp_path, "outside/secret.json", release(card(C)))
    put(folder, "deep/er/x.JSON", release(card()))
    put(folder, "schema.json", {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {}})
    put(folder, "index.json", {"category": {"name": "Baseball", "years": []}})
    put(folder, ".hidden.json", release(card(B)))
    put(folder, ".git/y.json", release(card(B)))
    put(folder, "README.md", b"no list")
    (folder / "folder.json").mkdir()
    (folder / "link.json").symlink_to(tmp_path / "outside" / "secret.json")
    (folder / "linked").symlink_to(tmp_path / "outside")
    rows, refused = read(folder)
    assert [row["stream_id"] for row in rows] == [A]
    assert refused == []


def test_reading_in_parts_is_reading_the_whole(tmp_path: Path) -> None:
    for number in range(4):
        cards = [card(f"id-{number}-{at}") for at in range(7)]
        put(tmp_path, f"{number}/list.json", release(*cards, {"name": "no id"}, parallels=[{"name": "Gold"}]))
    put(tmp_path, "2/empty.json", release())
    source = CardListSource(tmp_path, batch_rows_max=3)
    head = source.head()
    assert head == 4 * 15 - 1
    everything, refused = read(tmp_path)
    assert len(everything) == 56
    assert len(refused) == 4
    for after in (None, 0, 13, 14, 15, 58):
        for upto in (14, 15, 44, 59):
            low = 0 if after is None else after + 1
            batches = list(source.read(None if after is None else Position(after), Position(upto)))
            assert all(batch.rows <= 3 for batch in batches)
            rows = [row for batch in batches for row in batch.events.to_pylist()]
            assert rows == [row for row in everything if low <= row["source_position"] <= upto]
            assert sum(batch.rows for batch in batches) == max(upto + 1 - low, 0)


def test_a_changed_folder_is_another_source(tmp_path: Path) -> None:
    put(tmp_path, "x.json", release(card()))
    source = CardListSource(tmp_path)
    before, head = source.epoch(), source.head()
    assert head is not None
    assert pickle.loads(pickle.dumps(source)).epoch() == before  # noqa: S301 - our own bytes
    put(tmp_path, "x.json", release(card(name="Another")))
    with pytest.raises(EpochError, match=r"x\.json changed"):
        list(source.read(None, head))
    source.close()
    assert source.epoch() != before
    assert len(list(source.read(None, head))) == 1


def test_a_file_beyond_the_limit_is_rejected_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "big.json", release(*[card(f"id-{at}") for at in range(50)]))
    monkeypatch.setattr(source_module, "FILE_BYTES_MAX", 1_000)
    rows, refused = read(tmp_path)
    assert rows == []
    assert [(each["error_code"], each["payload"]) for each in refused] == [("file_too_large", b"")]


def test_no_folder_no_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        CardListSource(tmp_path / "nowhere")
    assert CardListSource(tmp_path).head() is None


def test_its_cards_can_be_sold(tmp_path: Path) -> None:
    put(tmp_path, "x.json", release(card(), card(B, name="Bo / Cy"), parallels=[{"name": "Gold Rush"}]))
    cards = CardListSource(tmp_path).cards()
    assert cards.to_pylist() == [
        {"sku": A, "players": ["Ann Arbor"]},
        {"sku": f"{A}~gold-rush", "players": ["Ann Arbor"]},
        {"sku": B, "players": ["Bo", "Cy"]},
        {"sku": f"{B}~gold-rush", "players": ["Bo", "Cy"]},
    ]
    source = GeneratedSource(1, 2_000, catalog=cards)
    assert sum(batch.rows for batch in source.read(None, Position(1_999))) == 2_000
