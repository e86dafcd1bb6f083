from __future__ import annotations

import copy
import json
import logging
import multiprocessing
import pickle
import traceback
from concurrent.futures import ProcessPoolExecutor

import pytest
from attrs import asdict, frozen

from eventreplay.errors import ConfigError, EventReplayError
from eventreplay.secret import Secret

TEXT = "hunter2-hunter2"


@frozen
class Login:
    user: str
    password: Secret


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>40}",
        lambda secret: f"{secret:>40}",
        lambda secret: "%s" % secret,  # noqa: UP031 - one of the ways to print
        lambda secret: str([secret, {"password": secret}]),
        lambda secret: repr(Login("ada", secret)),
        lambda secret: str(asdict(Login("ada", secret))),
        lambda secret: str(
            EventReplayError(f"No login with {secret}.", hint=f"{secret!r}", password=secret).fields
        ),
        lambda secret: json.dumps(secret, default=str),
        lambda secret: logging.makeLogRecord({"msg": "login %s %r", "args": (secret, secret)}).getMessage(),
    ],
)
def test_it_never_prints(show: object) -> None:
    assert callable(show)
    shown = show(Secret(TEXT))
    assert "***" in shown
    assert TEXT not in shown


def test_a_traceback_with_local_variables_does_not_show_it() -> None:
    def log_in(secret: Secret) -> None:
        raise EventReplayError(f"No login with {secret}.")

    with pytest.raises(EventReplayError) as caught:
        log_in(Secret(TEXT))
    lines = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    shown = "".join(lines)
    assert "Secret(***)" in shown
    assert "No login with ***." in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_does_not_pickle(protocol: int) -> None:
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(Login("ada", Secret(TEXT)), protocol)


def revealed_length(secrets: list[Secret]) -> int:
    return sum(len(secret.reveal()) for secret in secrets)


_given: list[Secret] = []


def give(secret: Secret) -> None:
    _given.append(secret)


def length_of_given() -> int:
    return revealed_length(_given)


def test_a_child_gets_it_as_it_starts_and_at_no_other_time() -> None:
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(1, mp_context=context, initializer=give, initargs=(Secret(TEXT),)) as pool:
        assert pool.submit(length_of_given).result() == len(TEXT)
        with pytest.raises(TypeError, match="does not pickle"):
            pool.submit(revealed_length, [Secret(TEXT)]).result()


def test_it_reveals_the_text_to_who_asks() -> None:
    assert Secret(TEXT).reveal() == TEXT


def test_copies_are_the_secret_itself() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_equal_texts_are_equal_secrets_and_nothing_else_is() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert Secret(TEXT) != Secret(TEXT + "é\ud800")
    assert Secret(TEXT) != TEXT


def test_it_does_not_change() -> None:
    secret = Secret(TEXT)
    with pytest.raises(AttributeError, match="does not change"):
        secret._text = "other"
    with pytest.raises(AttributeError, match="does not change"):
        del secret._text
    assert not hasattr(secret, "__dict__")
    assert secret.reveal() == TEXT


def test_an_empty_secret_is_an_error() -> None:
    with pytest.raises(ConfigError, match="A secret is empty"):
        Secret("")
