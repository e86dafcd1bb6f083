"""Faults to order: a proxy that breaks connections, a store that fails at call k, kills at system calls, and
writers that keep a ledger of their own. Each counts what it did, so that a test can prove that the fault fired.

Import a tool by its own module; some need a driver.
"""
