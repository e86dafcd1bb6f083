"""A stand-in for Snowflake: fakesnow's SQL translation behind the real connector, with its gaps closed.

`python -m eventreplay.testing.standin` starts it as a server of its own on 127.0.0.1. Where fakesnow is
laxer than Snowflake or wrong, this package repairs it or refuses with Snowflake's error codes;
docs/guides/snowflake-standin.md lists each point.
"""
