"""Bugs that somebody could write tomorrow, and the tests that must turn red if he does."""

# ruff: noqa: E501, ISC004 - text to be replaced stands here as it stands in its file

from __future__ import annotations

from tests.integration.planted.bug import Bug
from tests.integration.planted.deployment_bugs import DEPLOYMENT_BUGS
from tests.integration.planted.diff_bugs import DIFF_BUGS
from tests.integration.planted.generation_bugs import GENERATION_BUGS
from tests.integration.planted.live_bugs import LIVE_BUGS
from tests.integration.planted.prove_bugs import PROVE_BUGS
from tests.integration.planted.rebuild_bugs import REBUILD_BUGS
from tests.integration.planted.redrive_bugs import REDRIVE_BUGS
from tests.integration.planted.verify_bugs import VERIFY_BUGS
from tests.integration.planted.view_bugs import VIEW_BUGS

CAPTURE = "tests/unit/test_capture.py::TestCapture"
QUEUE = "tests/unit/test_capture.py::TestCaptureQueue"
REPLAY = "tests/unit/test_replay.py"
DELIVERIES = "dbt/models/staging/events/stg_events__deliveries.sql"
STAGING = "tests/integration/planted/test_staging_sql.py"

BUGS = (
    Bug(
        "log: commit before its segments",
        "src/eventreplay/log/writer.py",
        (("            self._claim_next(key, claim)\n", "            self._claim_next(key, claim)\n        self._put_commit(key, claim, data)\n"),),
        ("tests/property/test_capture_stateful.py", "tests/unit/log/test_crash.py"),
    ),
    Bug(
        "replay: checkpoint committed before the rest of the data",
        "src/eventreplay/replay.py",
        (
            ("            if not task.last:\n                continue\n            self._balance(task.commit)\n            if self.held.read >= self.rows_min:\n", "            if self.rows_min:\n"),
        ),
        (f"{REPLAY}::test_rows_quarantine_and_checkpoint_become_visible_together",),
    ),
    Bug(
        "replay: quarantine outside the transaction",
        "src/eventreplay/replay.py",
        (
            ("@define\nclass _Load:\n", "_LATE = []\n\n\n@define\nclass _Load:\n"),
            ("                self.sink.quarantine(chunk.refused)\n", "                _LATE.append(chunk.refused)\n"),
            (
                "        self.sink.commit(checkpoint, expected=known)\n",
                "        self.sink.commit(checkpoint, expected=known)\n        while _LATE:\n            self.sink.quarantine(_LATE.pop(0))\n",
            ),
        ),
        (f"{REPLAY}::test_rows_quarantine_and_checkpoint_become_visible_together",),
    ),
    Bug(
        "staging: deduplicated by position, not by id",
        DELIVERIES,
        (
            ("row_number() over (partition by event_id order by", "row_number() over (partition by log_partition, log_offset order by"),
        ),
        (STAGING,),
    ),
    Bug(
        "staging: the second payload of a conflicting id wins",
        DELIVERIES,
        (
            (
                "partition by event_id order by log_partition, log_offset) as delivery_number",
                "partition by event_id order by log_partition desc, log_offset desc) as delivery_number",
            ),
        ),
        (STAGING,),
    ),
    Bug(
        "staging: what comes late is dropped by a high-water mark",
        DELIVERIES,
        (
            (
                "where known_groups.row_count is null or known_groups.row_count <> raw_groups.row_count",
                "where raw_groups.inserted_at > (select max(inserted_at) from {{ this }})",
            ),
        ),
        (STAGING,),
    ),
    Bug(
        "capture: position 0 taken for none",
        "src/eventreplay/capture.py",
        (("    if end is not None and (", "    if end and ("),),
        (f"{CAPTURE}::test_position_zero_is_a_position",),
    ),
    Bug(
        "capture: a checkpoint at position 0 taken for none",
        "src/eventreplay/cutting.py",
        (("last = -1 if after is None else after", "last = after or -1"),),
        (f"{CAPTURE}::test_position_zero_is_not_taken_a_second_time",),
    ),
    Bug(
        "decimals: the ambient context rounds",
        "src/eventreplay/codecs/decimals.py",
        (
            (
                "    number = int(kept) * 10 ** (power + scale)\n",
                '    number = int(__import__("decimal").Decimal(kept.decode()).scaleb(power + scale))\n',
            ),
        ),
        ("tests/unit/codecs/test_decimals.py", "tests/property/codecs/test_decimals.py::test_text_ignores_the_ambient_context"),
    ),
    Bug(
        "decimals: money as a float",
        "src/eventreplay/codecs/decimals.py",
        (
            (
                "    number = int(kept) * 10 ** (power + scale)\n",
                '    number = int(float(f"{kept.decode()}e{power}") * 10**scale)\n',
            ),
        ),
        ("tests/unit/codecs/test_decimals.py",),
    ),
    Bug(
        "cutting: segments end where batches end",
        "src/eventreplay/cutting.py",
        (
            (
                "            if closed is not None:\n                yield closed\n",
                "            if closed is not None:\n                yield closed\n        if not piece.empty:\n            yield piece.close(last)\n",
            ),
        ),
        (f"{CAPTURE}::test_segments_keep_to_aligned_ranges_whatever_carried_the_events", "tests/property/test_cutting.py"),
    ),
    Bug(
        "admission: JSON payloads written again",
        "src/eventreplay/admission.py",
        (
            (
                "    events, unreadable = _repair_text(batch.events)\n",
                "    import json\n"
                "    at = batch.events.schema.get_field_index('payload')\n"
                "    again = [json.dumps(json.loads(p)).encode() if (p or b'').startswith(b'{') else p\n"
                "             for p in batch.events.column(at).to_pylist()]\n"
                "    batch = Batch(batch.events.set_column(at, 'payload', pa.array(again, pa.binary())), batch.rejected)\n"
                "    events, unreadable = _repair_text(batch.events)\n",
            ),
        ),
        (f"{CAPTURE}::test_payloads_are_never_written_again",),
    ),
    Bug(
        "admission: what the source rejected is dropped",
        "src/eventreplay/admission.py",
        (("rejects = _no_rejects() if batch.rejected is None else batch.rejected", "rejects = _no_rejects()"),),
        (f"{CAPTURE}::test_bytes_arrive_as_they_were_and_nothing_is_dropped", "tests/property/test_capture_stateful.py"),
    ),
    Bug(
        "admission: what it refuses is dropped",
        "src/eventreplay/admission.py",
        (("    return Admitted(events.filter(pa.array(~refused)), rejects)", "    return Admitted(events.filter(pa.array(~refused)), _no_rejects())"),),
        (f"{CAPTURE}::test_bytes_arrive_as_they_were_and_nothing_is_dropped",),
    ),
    Bug(
        "replay: decode failures swallowed",
        "src/eventreplay/replay.py",
        (
            ("                self.sink.quarantine(chunk.refused)\n", "                pass\n"),
        ),
        (f"{REPLAY}::test_every_record_of_the_log_is_loaded_or_quarantined_and_the_receipt_says_so",),
    ),
    Bug(
        "replay: only the partition at hand is held against the codec",
        "src/eventreplay/replay.py",
        (("    total = max(0, total - sum(resume(reader).loaded_rows for reader in readers))\n", ""),),
        (f"{REPLAY}::test_another_codec_is_refused_before_a_row_of_any_partition",),
    ),
    Bug(
        "replay: expected checkpoint not compared",
        "src/eventreplay/sinks/duckdb.py",
        (("                if found == expected:\n", "                expected = found\n                if found == expected:\n"),),
        ("tests/unit/sinks/test_duckdb_suite.py::TestDuckDBSink::test_interleaved_writers_one_wins",),
    ),
    Bug(
        "log: the fence is ignored",
        "src/eventreplay/log/writer.py",
        (
            ("        if found != data or not self._unknown:\n            self._fence(found)\n", "        self._storage.replace(key, data, found or b'')\n"),
            ("            if found != claim:\n                self._fence(found)\n        self._claimed = True\n", "        self._claimed = True\n"),
        ),
        (f"{CAPTURE}::test_who_lost_the_partition_writes_nothing_more", "tests/property/test_capture_stateful.py"),
    ),
    Bug(
        "log: hashes not checked when segments are read",
        "src/eventreplay/log/segment.py",
        (("    if hashlib.sha256(data).hexdigest() != ref.sha256:\n", "    if len(data) < 0:\n"),),
        (f"{REPLAY}::test_bytes_that_are_not_the_committed_ones_are_never_loaded", "tests/unit/log/test_reader.py"),
    ),
    Bug(
        "log: a put overwrites what is there",
        "src/eventreplay/log/folder.py",
        (
            ("            created = not path.exists() and self._staged_into(", "            created = self._staged_into("),
            ("        os.link(staged, path)\n", "        os.replace(staged, path)\n"),
        ),
        ("tests/unit/log/test_storage.py",),
    ),
    Bug(
        "queue: acknowledged before the commit",
        "src/eventreplay/queue_capture.py",
        (
            (
                "    admitted = [admit(delivery.batch, limits) for delivery in held.deliveries]\n",
                "    for delivery in held.deliveries:\n        queue.settle(delivery)\n"
                "    admitted = [admit(delivery.batch, limits) for delivery in held.deliveries]\n",
            ),
        ),
        (f"{QUEUE}::test_wherever_it_dies_what_is_not_in_the_log_is_not_settled", "tests/property/test_capture_queue_stateful.py"),
    ),
    Bug(
        "queue: ends as idle while it is busy",
        "src/eventreplay/queue_capture.py",
        (("                delivery is None and options.idle_end_s", "                options.idle_end_s"),),
        (f"{QUEUE}::test_an_idle_limit_of_zero_still_empties_the_queue",),
    ),
    Bug(
        "sink: moments moved by the machine's time zone",
        "src/eventreplay/sinks/duckdb_rows.py",
        (('        return column.view(pa.timestamp("us"))\n', "        return column\n"),),
        ("tests/unit/sinks/test_duckdb.py::test_moments_are_utc_whatever_the_session_zone",),
    ),
    Bug(
        "replay: a group's checkpoint is that of its first commit",
        "src/eventreplay/replay.py",
        (("        self.last = commit\n", "        self.last = self.last or commit\n"),),
        (f"{REPLAY}::test_commits_of_the_log_share_a_transaction_until_it_is_large_enough",),
    ),
    Bug(
        "replay: what is left of a group at the end is never committed",
        "src/eventreplay/replay.py",
        (("        if self.last is not None:\n", "        if self.held.read >= self.rows_min and self.last is not None:\n"),),
        (f"{REPLAY}::test_commits_of_the_log_share_a_transaction_until_it_is_large_enough",),
    ),
    Bug(
        "s3: a refusal is taken for nothing there",
        "src/eventreplay/log/s3/storage.py",
        (('                if error.status == _NOT_FOUND and error.code != "NoSuchBucket":\n', "                if error.status in (403, _NOT_FOUND):\n"),),
        ("tests/unit/log/test_s3_storage.py::test_a_refusal_is_never_taken_for_nothing_there",),
    ),
    Bug(
        "s3: after silence, a name that is taken counts as written by us",
        "src/eventreplay/log/s3/storage.py",
        (("return write.unknown and self._was_ours(write)", "return write.unknown"),),
        ("tests/unit/log/test_s3_storage.py::test_after_silence_anothers_write_is_not_ours",),
    ),
    Bug(
        "s3: puts without their condition",
        "src/eventreplay/log/s3/storage.py",
        ((", **parameters, **write.condition)", ", **parameters)"),),
        ("tests/unit/log/test_s3_storage.py::test_nothing_is_ever_overwritten_but_what_was_seen",),
    ),
    Bug(
        "snowflake: COPY's load history decides what is loaded",
        "src/eventreplay/sinks/snowflake/copying.py",
        (("ON_ERROR = ABORT_STATEMENT FORCE = TRUE", "ON_ERROR = ABORT_STATEMENT"),),
        ("tests/unit/sinks/snowflake/test_statements.py::test_copy_names_its_files_and_never_asks_the_history",),
    ),
    Bug(
        "snowflake: the driver's text goes into errors",
        "src/eventreplay/sinks/snowflake/failures.py",
        (("    where = _where(facts)\n", "    where = _where(facts) + str(error)\n"),),
        ("tests/unit/sinks/snowflake/test_statements.py::test_errors_are_final_or_retryable_and_quote_nothing",),
    ),
    Bug(
        "snowflake: bytes of a sliced batch are those of the whole one",
        "src/eventreplay/sinks/snowflake/spool.py",
        (("values.offset : values.offset + len(values) + 1]", ": len(values) + 1]"),),
        ("tests/unit/sinks/snowflake/test_spool.py::test_hexadecimal_text_is_that_of_bytes",),
    ),
    Bug(
        "snowflake: the checkpoint is moved without the lock",
        "src/eventreplay/sinks/snowflake/sink.py",
        (("        checkpoints.lock(session, self._raw, self._holder(replay_id), pending.moment_us)\n        if not", "        if not"),),
        ("tests/integration/snowflake/test_together.py::test_two_first_comers_cannot_both_win",),
    ),
    Bug(
        "snowflake: a COMMIT without an answer is taken for one that failed",
        "src/eventreplay/sinks/snowflake/sink.py",
        (("        if found == checkpoint:\n            return\n", ""),),
        ("tests/integration/snowflake/test_faults.py::test_a_lost_answer_inside_a_transaction_loses_nothing_and_doubles_nothing[commit]",),
    ),
    Bug(
        "journal: a hole is skipped when the wait is over",
        "src/eventreplay/sources/postgres/horizon.py",
        (("            if left_s <= 0:\n                return False\n", "            if left_s <= 0:\n                return True\n"),),
        ("tests/unit/sources/postgres/test_horizon.py",),
    ),
    Bug(
        "journal: who was prepared while waited for is taken for gone",
        "src/eventreplay/sources/postgres/horizon.py",
        (("                if pending.prepared_listed:\n", "                if pending is not None:\n"),),
        ("tests/unit/sources/postgres/test_horizon.py",),
    ),
    Bug(
        "journal: what is missing in the first snapshot is dead",
        "src/eventreplay/sources/postgres/horizon.py",
        (("        seen = self._again(pending)\n", "        seen = Look(snapshot='', highest=None, holes=pending.holes)\n"),),
        ("tests/unit/sources/postgres/test_horizon.py",),
    ),
    Bug(
        "rabbitmq: a lost connection's token acknowledges on the next one",
        "src/eventreplay/sources/rabbitmq/source.py",
        (
            ("not isinstance(token, Token) or token.session != self._session or ", "not isinstance(token, Token) or "),
            ("        self._link.settle(token.session, partial(", "        self._link.settle(self._session, partial("),
        ),
        ("tests/unit/sources/rabbitmq/test_settling.py::test_a_token_of_a_lost_connection_acknowledges_nothing_on_the_next",),
    ),
    Bug(
        "rabbitmq: all below is acknowledged as well",
        "src/eventreplay/sources/rabbitmq/source.py",
        (("partial(_acknowledge, token=token, multiple=is_first)", "partial(_acknowledge, token=token, multiple=True)"),),
        ("tests/unit/sources/rabbitmq/test_settling.py::test_nothing_below_is_acknowledged_with_it",),
    ),
    Bug(
        "rabbitmq: deliveries are taken while others are put in",
        "src/eventreplay/sources/rabbitmq/frames.py",
        (("        self._lock = threading.Lock()\n", '        self._lock = __import__("contextlib").nullcontext()\n'),),
        ("tests/property/sources/rabbitmq/test_frames.py::test_who_takes_between_two_steps_of_a_feed_waits_for_its_end",),
    ),
    Bug(
        "rabbitmq: of a body in pieces the last one is kept",
        "src/eventreplay/sources/rabbitmq/frames.py",
        (("            content.body += piece\n", "            content.body = bytearray(piece)\n"),),
        ("tests/property/sources/rabbitmq/test_frames.py::test_any_cut_gives_what_the_driver_decodes",),
    ),
    Bug(
        "snowflake: files that COPY remembers are skipped",
        "src/eventreplay/sinks/snowflake/copying.py",
        (("ABORT_STATEMENT FORCE = TRUE", "ABORT_STATEMENT FORCE = FALSE"),),
        ("tests/integration/snowflake/test_history.py",),
    ),
    Bug(
        "staging: rows that came in below the known ones are passed over",
        "dbt/macros/pruning.sql",
        (("{%- if total - recent == known_before -%}{{ return(since) }}{%- endif -%}", "{{ return(since) }}"),),
        (STAGING,),
    ),
    Bug(
        "transform: dbt goes on when nobody waits for it any more",
        "src/eventreplay/transform/child.py",
        (('    threading.Thread(target=_watch, name="watch", daemon=True).start()\n', ""),),
        ("tests/unit/transform/test_running.py::test_dbt_does_not_outlive_who_waits_for_it",),
    ),
    Bug(
        "transform: what an earlier run left is taken for this one's",
        "src/eventreplay/transform/running.py",
        (("    results.unlink(missing_ok=True)\n", ""),),
        ("tests/unit/transform/test_running.py::test_results_of_an_earlier_run_are_never_taken_for_this_ones",),
    ),
    Bug(
        "transform: what dbt says is repeated with its secrets",
        "src/eventreplay/transform/process.py",
        (("            line = line.replace(text, MASK)", "            line = line.replace(text, text)"),),
        ("tests/unit/transform/test_running.py::test_a_secret_reaches_the_child_alone",),
    ),
    Bug(
        "staging: an event counts once for each way in",
        DELIVERIES,
        (("row_number() over (partition by event_id order by log_partition, log_offset) as delivery_number", "row_number() over (partition by event_id, left(log_partition, 4) order by log_partition, log_offset) as delivery_number"),),
        ("tests/property/test_interleaving.py",),
    ),
    Bug(
        "DuckDB: a second generation goes on where the live one stands",
        "src/eventreplay/sinks/duckdb.py",
        (('.execute(f"SELECT {_CHECKPOINT} FROM {self._schema}.CHECKPOINTS WHERE', '.execute(f"SELECT {_CHECKPOINT} FROM RAW.CHECKPOINTS WHERE'),),
        ("tests/unit/sinks/test_duckdb.py::test_a_second_generation_stands_beside_the_first_and_shares_nothing",),
    ),
    Bug(
        "Airflow for tests: a token that ran out is not renewed",
        "src/eventreplay/testing/services/airflow_api.py",
        (("            self._token = None\n            answer", "            answer"),),
        ("tests/unit/testing/services/test_airflow_api.py::test_a_token_that_ran_out_is_renewed",),
    ),
    Bug(
        "Airflow for tests: a run that waits counts as ended",
        "src/eventreplay/testing/services/airflow_api.py",
        (('return self.state in {"success", "failed"}', 'return self.state != "running"'),),
        ("tests/unit/testing/services/test_airflow_api.py::test_a_run_that_waits_has_not_ended",),
    ),
    Bug(
        "Airflow for tests: only the first page is read",
        "src/eventreplay/testing/services/airflow_api.py",
        (("if len(page[name]) < PAGE_ROWS or", "if True or len(page[name]) < PAGE_ROWS or"),),
        ("tests/unit/testing/services/test_airflow_api.py::test_it_logs_in_once_and_reads_every_page",),
    ),
    *DEPLOYMENT_BUGS,
    *DIFF_BUGS,
    *GENERATION_BUGS,
    *LIVE_BUGS,
    *REDRIVE_BUGS,
    *PROVE_BUGS,
    *REBUILD_BUGS,
    *VERIFY_BUGS,
    *VIEW_BUGS,
)  # fmt: skip
