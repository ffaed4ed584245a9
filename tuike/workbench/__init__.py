"""Analysts ask the graph in Cypher, strictly reading, within limits, and every question is kept.

Words: the *gate* decides from the text alone whether a query may be sent; a *run* is one query with its author and its
outcome; the *library* are queries that come with tuike.

Invariants: what the gate refuses is never sent; a query runs as a user that reads, where the server knows such users,
in a transaction that is rolled back; what runs too long is ended on the server.
"""

from tuike.workbench.model import QueryRefused
from tuike.workbench.rules.gate import Admitted, admit

__all__ = ["Admitted", "QueryRefused", "admit"]
