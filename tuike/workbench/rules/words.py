"""The words that a query may use. What is not here is refused."""

CLAUSES = frozenset({"MATCH", "OPTIONAL", "WHERE", "WITH", "UNWIND", "RETURN", "ORDER", "SKIP", "LIMIT", "UNION"})
OPENING = frozenset({"MATCH", "OPTIONAL", "WITH", "UNWIND", "RETURN", "CALL"})
"""What a query or subquery begins with."""

OPERATORS = frozenset(
    {
        "AND", "OR", "XOR", "NOT", "IN", "IS", "NULL", "TRUE", "FALSE", "STARTS", "ENDS", "CONTAINS", "CASE", "WHEN",
        "THEN", "ELSE", "END", "AS", "BY", "ASC", "DESC", "ASCENDING", "DESCENDING", "DISTINCT", "ALL", "YIELD",
    }
)  # fmt: skip
KEYWORDS = CLAUSES | OPERATORS | {"CALL"}
SUBQUERIES = frozenset({"EXISTS", "COUNT", "COLLECT"})
"""Words that make a value of a subquery in braces."""

NEVER = frozenset(
    {
        "CREATE", "INSERT", "MERGE", "SET", "DELETE", "DETACH", "NODETACH", "REMOVE", "FOREACH", "LOAD", "CSV", "USE",
        "USING", "PERIODIC", "COMMIT", "TRANSACTIONS", "CONCURRENT", "EXPLAIN", "PROFILE", "CYPHER", "SHOW",
        "TERMINATE", "START", "STOP", "ALTER", "DROP", "GRANT", "DENY", "REVOKE", "RENAME", "ENABLE", "DRYRUN",
        "DEALLOCATE", "REALLOCATE", "FINISH", "FILTER", "LET", "NEXT", "SEARCH", "IMPORT", "EXPORT", "BACKUP",
        "RESTORE", "TRUNCATE", "UPDATE", "UPSERT", "SELECT", "TRAVERSE", "REBUILD", "CHECK", "DEFINE", "REDUCE",
        "SHORTEST", "ON",
    }
)  # fmt: skip
"""Words that no query has outside strings, property names and backticks. The gate does not rest on this list: a clause
that is missing here stands where only an operator may stand. It makes the answer clear, and is a second lock."""

PREDICATES = frozenset({"all", "any", "none", "single"})
FUNCTIONS = frozenset(
    {
        # aggregates
        "count", "collect", "sum", "avg", "min", "max", "stdev", "stdevp", "percentilecont", "percentiledisc",
        # of nodes, relations, paths
        "id", "elementid", "labels", "type", "properties", "keys", "nodes", "relationships", "length", "startnode",
        "endnode", "shortestpath", "allshortestpaths",
        # of values
        "coalesce", "size", "head", "last", "tail", "reverse", "range", "isempty", "tointeger", "tofloat", "toboolean",
        "tostring", "tointegerornull", "tofloatornull", "tostringornull", "exists",
        # of numbers
        "abs", "ceil", "floor", "round", "sign", "sqrt", "exp", "log", "log10", "rand",
        # of texts
        "tolower", "toupper", "trim", "ltrim", "rtrim", "substring", "left", "right", "split",
        # of time
        "date", "datetime", "duration", "timestamp",
    }
)  # fmt: skip

PROCEDURES = {name.lower(): name for name in ("db.labels", "db.relationshipTypes", "db.propertyKeys")}

CHAINS = frozenset({("FOLLOWED", "out"), ("INVITED", "in")})
"""Relations of which a node has at most one in that direction: a touch follows one touch, a promoter has one inviter.
A path along them cannot branch, however long it is."""
