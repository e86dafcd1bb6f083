"""Faults to order, each of which counts what it did, so that a test can prove that it fired.

A proxy that breaks connections, a store that fails at call k, kills at system calls, and writers that keep a
ledger of their own. Import a tool by its own module; some need a driver.
"""
