"""What the commands do: assemble the parts, run a verb, show what came of it.

These modules load Arrow and drivers; commands import them when they run.
"""
