"""The local stack for try-outs and tests: PostgreSQL and a graph server as child processes, and the supervisor of all.

`start_postgres` and `start_graph` run one server for the length of a block; `supervisor` is `tuike up`;
`directory` is the data directory with its lock, its secrets and the note of what runs.
"""

from tuike.embedded.directory import DataDirectory, DirectoryInUse, StackNote
from tuike.embedded.graph import GraphServer, start_graph
from tuike.embedded.postgres import PostgresServer, start_postgres
from tuike.embedded.processes import StartFailed, find_free_port

__all__ = [
    "DataDirectory", "DirectoryInUse", "GraphServer", "PostgresServer", "StackNote", "StartFailed", "find_free_port",
    "start_graph", "start_postgres",
]  # fmt: skip
