"""The work of the operators. It loads Arrow and drivers, so nothing that parses a DAG imports it."""
