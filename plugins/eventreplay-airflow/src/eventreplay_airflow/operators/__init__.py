"""Operators, one in each file; what they do stands in `jobs`, which is loaded when a task runs."""
