"""Measurements anyone can repeat: `make bench`, or `python -m benchmarks --help`.

Every figure is taken beside a peer and beside a limit in the same run, each in a process of its own, and
printed as a ratio. Nothing here is a test: machines differ, and a test that fails on a slow day teaches
people to ignore it.
"""
