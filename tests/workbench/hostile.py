"""Queries that must not pass: each writes, reads a file, reaches out, administers, or has no bounds."""

import re

WRITES = r"""
CREATE (:Bad {id: 1})
create (n:Bad)
CrEaTe (n:Bad) RETURN n
  CREATE (n) RETURN n
/* read */ CREATE (n) RETURN n
// MATCH (n)
MATCH (n) CREATE (m:Bad) RETURN m
MATCH (n) DETACH DELETE n
MATCH (n) DELETE n
MATCH (n) NODETACH DELETE n
MATCH (n) SET n.bad = 1
MATCH (n) SET n += {bad: 1}
MATCH (n) SET n = {}
MATCH (n) SET n:Bad
MATCH (n) SET n['bad'] = 1
MATCH (n) REMOVE n.id
MATCH (n) REMOVE n:User
MERGE (n:Bad {id: 1}) RETURN n
MERGE (n:Bad) ON CREATE SET n.x = 1 RETURN n
MATCH (n) MERGE (n)-[:BAD]->(:Bad) RETURN n
INSERT (:Bad {id: 1})
MATCH (n) INSERT (n)-[:BAD]->(:Bad) RETURN n
MATCH (n) RETURN n SET n.bad = 1
MATCH (n) WITH n SET n.bad = 1 RETURN n
MATCH (n) WITH n LIMIT 1 DELETE n
UNWIND [1,2] AS x CREATE (:Bad {x: x})
UNWIND range(1,10) AS x MERGE (:Bad {x: x})
FOREACH (x IN [1] | CREATE (:Bad))
MATCH (n) FOREACH (x IN [1] | SET n.bad = x)
MATCH (n) FOREACH(x IN [1]|DELETE n)
MATCH p = (a)-->(b) FOREACH (n IN nodes(p) | SET n.bad = true)
CALL { CREATE (:Bad) }
CALL { CREATE (n:Bad) RETURN n } RETURN n
CALL { MATCH (n) DELETE n } RETURN 1
CALL () { CREATE (:Bad) } RETURN 1
MATCH (n) CALL (n) { SET n.bad = 1 } RETURN n
MATCH (n) CALL { WITH n SET n.bad = 1 } RETURN n
MATCH (n) CALL (*) { DELETE n } RETURN 1
MATCH (n) CALL { WITH n CALL { WITH n DETACH DELETE n } RETURN 1 AS one } RETURN one
CALL { RETURN 1 AS x UNION CREATE (b:Bad) RETURN 2 AS x } RETURN x
RETURN 1 AS x UNION CREATE (n:Bad) RETURN 2 AS x
RETURN 1 AS x UNION ALL MATCH (n) DELETE n RETURN 2 AS x
MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS
MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS OF 10 ROWS
MATCH (n) CALL (n) { DETACH DELETE n } IN 2 CONCURRENT TRANSACTIONS
MATCH (n) CALL (n) { RETURN 1 AS x } IN TRANSACTIONS OF 1 ROW ON ERROR CONTINUE RETURN x
USING PERIODIC COMMIT 500 LOAD CSV FROM 'file:///etc/passwd' AS l CREATE (:Bad {l: l})
MATCH (n) WHERE EXISTS { CREATE (:Bad) } RETURN n
MATCH (n) WHERE EXISTS { MATCH (n) SET n.x = 1 } RETURN n
RETURN COUNT { CREATE (:Bad) }
RETURN COLLECT { MATCH (n) DELETE n RETURN 1 }
MATCH (n) WITH n ORDER BY n.id SET n.bad = 1
OPTIONAL MATCH (n) SET n.bad = 1
OPTIONAL CREATE (n)
MATCH (n) SET/**/n.bad=1
MATCH (n)SET n.bad=1
MATCH(n)DELETE(n)
MATCH (n)/**/DELETE/**/n
MATCH (n) /* x */ DE/**/LETE n
MATCH (n)//c\nDELETE n
RETURN 1 // \n CREATE (:Bad)
RETURN 1 /* */ /* */ CREATE (:Bad)
RETURN 1 /* // */ CREATE (:Bad)
RETURN '/*' CREATE (:Bad) RETURN '*/'
RETURN "//" CREATE (:Bad)
RETURN '\'' CREATE (:Bad) RETURN '\''
RETURN '\\' CREATE (:Bad) RETURN '\\'
RETURN "'" CREATE (:Bad) RETURN "'"
RETURN `a` CREATE (:Bad)
RETURN 1 AS `x` DELETE x
MATCH (`n`) DELETE `n`
MATCH (n) RETURN n.set SET n.x = 1
MATCH (n) RETURN {set: 1} SET n.x = 1
MATCH (n) WHERE n.delete = 1 DELETE n
MATCH (n) RETURN 1.SET n.bad = 1
MATCH (n) RETURN 1SET n.bad = 1
MATCH (n) RETURN 0x1CREATE (m)
MATCH (n) RETURN 1e5CREATE (m)
MATCH (n) RETURN $x CREATE (m)
MATCH (n) RETURN $xCREATE (m:Bad)--(n)
RETURN [1]CREATE (:Bad)
RETURN {a:1}CREATE (:Bad)
RETURN (1)CREATE (:Bad)
RETURN 'a'CREATE (:Bad)
RETURN nullCREATE (:Bad)
CREATE(:Bad)
\tCREATE\t(:Bad)
\r\nCREATE\r\n(:Bad)
MATCH (n)\fSET n.bad = 1
MATCH (n)\vSET n.bad = 1
MATCH (n)\u00a0SET n.bad = 1
MATCH (n)\u2003DELETE n
MATCH (n)\u200bDELETE n
MATCH (n)\ufeffDELETE n
MATCH (n)\u2028DELETE n
MATCH (n)\u3000SET n.x = 1
\ufeffCREATE (:Bad)
MATCH (n) \x00DELETE n
RETURN 1 // c\u2028CREATE (:Bad)
RETURN 1 // c\u0085CREATE (:Bad)
RETURN 1 // c\x0bCREATE (:Bad)
RETURN 1 // c\rCREATE (:Bad)
\\u0043REATE (:Bad)
\\u0043\\u0052\\u0045\\u0041\\u0054\\u0045 (:Bad)
\\U0043REATE (:Bad)
\\uu0043REATE (:Bad)
MATCH (n) \\u0044ELETE n
RETURN 1 \\u002f\\u002f x
RETURN '\\u0027 CREATE (:Bad) RETURN \\u0027'
RETURN 'a\\u0027 AS x CREATE (b:Bad {x: \\u0027y'})
RETURN \\u0027 x ' CREATE (:Bad) RETURN ' \\u0027
RETURN "\\u0022 CREATE (:Bad) RETURN \\u0022"
RETURN '\\\\u0027 CREATE (:Bad) //'
RETURN 1 /* \\u002a\\u002f CREATE (:Bad) /* */
RETURN 1 // \\u000a CREATE (:Bad)
RETURN 1 // \\u000d CREATE (:Bad)
MATCH (`n\\u0060) DELETE `n`
MATCH (n:`User\\u0060) DETACH DELETE n //`)
MATCH (n:`User``) DETACH DELETE n //`) RETURN n
MATCH (n:`Us``er`) RETURN n
MATCH (n:`User`) DELETE n
MATCH (n) \u0405ET n.bad = 1
\u0421REATE (:Bad)
C\u0280EATE (:Bad)
\uff23\uff32\uff25\uff21\uff34\uff25 (:Bad)
MATCH (n) \u017fET n.bad = 1
MATCH (n) DETACH DELETE\u00a0n
MATCH (n) RETURN n;CREATE (:Bad)
MATCH (n) RETURN n; MATCH (n) DELETE n;
;CREATE (:Bad)
RETURN 1;;CREATE (:Bad);
RETURN 1;/**/DROP INDEX x
MATCH (n {x: 1} ) , (m) DELETE n, m
MATCH (n) WHERE n.id = 'x' OR true DELETE n
MATCH (n) WITH * DELETE n
MATCH (n) WITH n, 1 AS SET SET n.x = 1 RETURN n
MATCH (n) SET n.`x` = 1
MATCH (n)-[r]->() DELETE r
MATCH (n)-[r]->() SET r.bad = 1
MATCH (n:$label) SET n.x = 1
MATCH (n:$(label)) RETURN n
MATCH (n:$label) RETURN n
MATCH (n)-[:$type]->() RETURN n
MATCH (n)-[r:$($type)]->() RETURN n
MATCH (n) SET n:$($label) RETURN n
MATCH (n) SET n[$key] = 1
UNWIND $rows AS row MERGE (:Bad {id: row})
MATCH (n) FINISH
MATCH (n) LET x = 1 RETURN x
MATCH (n) FILTER n.x = 1 RETURN n
WHEN true THEN CREATE (:Bad)
WHEN true THEN { CREATE (:Bad) }
RETURN 1 NEXT CREATE (:Bad)
FOR x IN [1] CREATE (:Bad)
LET x = 1 CREATE (:Bad)
{ CREATE (:Bad) }
(CREATE (:Bad))
UPDATE User SET bad = 1
DELETE FROM User
SELECT FROM User
INSERT INTO User SET id = 1
TRUNCATE TYPE User
DROP TYPE User IF EXISTS UNSAFE
"""

REACHES_OUT = r"""
LOAD CSV FROM 'file:///etc/passwd' AS l RETURN l
LOAD CSV FROM "file:/etc/passwd" AS l RETURN l
LOAD CSV FROM '/etc/passwd' AS l RETURN l
LOAD CSV FROM 'http://127.0.0.1:1/' AS l RETURN l
LOAD CSV WITH HEADERS FROM 'https://example.invalid/' AS l RETURN l
load csv from $url as l return l
LOAD/**/CSV FROM 'file:///etc/passwd' AS l RETURN l
LOAD//\nCSV FROM 'file:///etc/passwd' AS l RETURN l
\\u004cOAD CSV FROM 'file:///etc/passwd' AS l RETURN l
MATCH (n) LOAD CSV FROM 'file:///etc/passwd' AS l RETURN l
CALL { LOAD CSV FROM 'file:///etc/passwd' AS l RETURN l } RETURN l
WITH 1 AS x LOAD CSV FROM 'file:///etc/passwd' AS l RETURN l
RETURN COLLECT { LOAD CSV FROM 'file:///etc/passwd' AS l RETURN l }
MATCH (n) WHERE EXISTS { LOAD CSV FROM 'file:///etc/passwd' AS l RETURN l } RETURN n
CALL apoc.load.json('file:///etc/passwd') YIELD value RETURN value
CALL apoc.load.csv('http://127.0.0.1/')
CALL apoc.export.csv.all('/tmp/x.csv', {})
CALL apoc.cypher.run('CREATE (:Bad)', {}) YIELD value RETURN value
CALL apoc.cypher.doIt('CREATE (:Bad)', {})
CALL apoc.periodic.iterate('MATCH (n) RETURN n', 'DELETE n', {})
CALL apoc.trigger.add('x', 'CREATE (:Bad)', {})
CALL apoc.refactor.rename.label('User', 'Bad')
CALL `apoc`.`load`.`json`('file:///etc/passwd')
CALL `apoc.load.json`('file:///etc/passwd')
CALL apoc . load . json('file:///etc/passwd')
CALL apoc./**/load.json('file:///etc/passwd')
RETURN apoc.cypher.runFirstColumnSingle('CREATE (n:Bad) RETURN n', {})
RETURN apoc.util.sleep(100000)
RETURN apoc.version()
RETURN a.b.c.d()
RETURN `apoc.version`()
RETURN apoc.`version`()
CALL dbms.listConfig()
CALL dbms.security.createUser('x', 'y')
CALL dbms.setConfigValue('x', 'y')
CALL dbms.killQuery('query-1')
CALL dbms.killTransaction('x')
CALL dbms.components()
CALL dbms.upgrade()
CALL dbms.queryJmx('*:*')
CALL db.createLabel('Bad')
CALL db.createProperty('bad')
CALL db.createRelationshipType('BAD')
CALL db.index.fulltext.createNodeIndex('x', ['User'], ['id'])
CALL db.index.fulltext.drop('x')
CALL db.clearQueryCaches()
CALL db.checkpoint()
CALL db.ping()
CALL db.LABELS()
CALL db.labels
CALL db.labels() YIELD label CREATE (:Bad {l: label})
CALL db.labels(CREATE)
CALL tx.setMetaData({a: 1})
CALL gds.graph.project('g', '*', '*')
CALL gds.pageRank.write('g', {})
CALL algo.pagerank()
CALL algo.apsp()
CALL path.expand()
CALL merge.node(['Bad'], {id: 1})
CALL refactor.mergeNodes([1])
CALL do.when(true, 'CREATE (:Bad)', '', {})
CALL meta.stats()
CALL sql('DELETE FROM User')
CALL n10s.rdf.import.fetch('http://x', 'Turtle')
CALL jwt.security.x()
RETURN file('/etc/passwd')
RETURN load('/etc/passwd')
RETURN env('PATH')
RETURN java.lang.System.exit(0)
RETURN sql('DELETE FROM User')
RETURN eval('1')
RETURN genai.vector.encode('x', 'OpenAI', {})
RETURN linenumber()
RETURN graph.byName('x')
RETURN randomUUID()
RETURN vector.similarity.cosine([1], [1])
USE system SHOW USERS
USE neo4j MATCH (n) RETURN n
USE graph.byName('system') MATCH (n) RETURN n
CALL { USE system RETURN 1 AS x } RETURN x
"""

ADMINISTERS = r"""
CREATE INDEX FOR (n:User) ON (n.bad)
CREATE INDEX bad IF NOT EXISTS FOR (n:User) ON (n.bad)
CREATE CONSTRAINT FOR (n:User) REQUIRE n.bad IS UNIQUE
CREATE TEXT INDEX bad FOR (n:User) ON (n.id)
CREATE FULLTEXT INDEX bad FOR (n:User) ON EACH [n.id]
DROP INDEX bad
DROP INDEX bad IF EXISTS
DROP CONSTRAINT bad
DROP DATABASE neo4j
CREATE DATABASE bad
CREATE OR REPLACE DATABASE neo4j
STOP DATABASE neo4j
START DATABASE neo4j
ALTER DATABASE neo4j SET ACCESS READ ONLY
CREATE USER bad SET PASSWORD 'longenough1'
DROP USER neo4j
ALTER USER neo4j SET PASSWORD 'longenough1'
ALTER CURRENT USER SET PASSWORD FROM 'x' TO 'y'
RENAME USER neo4j TO bad
GRANT ROLE admin TO bad
DENY READ {*} ON GRAPH * TO PUBLIC
REVOKE ROLE admin FROM neo4j
CREATE ROLE bad
SHOW USERS
SHOW CURRENT USER
SHOW DATABASES
SHOW TRANSACTIONS
SHOW INDEXES
SHOW PROCEDURES
SHOW FUNCTIONS
SHOW SETTINGS
SHOW PRIVILEGES
TERMINATE TRANSACTIONS 'neo4j-transaction-1'
TERMINATE TRANSACTION 'q1'
ENABLE SERVER 'x'
DEALLOCATE DATABASES FROM SERVER 'x'
DRYRUN REALLOCATE DATABASES
CREATE ALIAS bad FOR DATABASE neo4j
CREATE COMPOSITE DATABASE bad
BACKUP DATABASE
IMPORT DATABASE file:///tmp/x
EXPLAIN MATCH (n) RETURN n
EXPLAIN CREATE (:Bad)
PROFILE MATCH (n) RETURN n
PROFILE CREATE (:Bad)
EXPLAIN DROP INDEX bad
CYPHER 5 MATCH (n) RETURN n
CYPHER 25 CREATE (:Bad)
CYPHER runtime=slotted MATCH (n) DELETE n
CYPHER planner=cost runtime=parallel MATCH (n) RETURN n
CYPHER EXPLAIN CREATE (:Bad)
EXPLAIN CYPHER 5 CREATE (:Bad)
cypher replan=force match (n) return n
BEGIN
COMMIT
ROLLBACK
:USE system
:param x => 1
:source /etc/passwd
"""

BOUNDLESS = (
    r"""
MATCH (a)-[*]->(b) RETURN a
MATCH (a)-[*]-(b) RETURN count(*)
MATCH (a)-[*1..]->(b) RETURN a
MATCH (a)-[*0..]-(b) RETURN a
MATCH (a)-[:INVITED*]->(b) RETURN a
MATCH (a)-[:INVITED*2..]->(b) RETURN a
MATCH (a)-[r:INVITED*1..7]->(b) RETURN a
MATCH (a)-[*1..1000000]-(b) RETURN a
MATCH (a)-[*..7]-(b) RETURN a
MATCH (a)-[*99]-(b) RETURN a
MATCH (a)-[*1..$n]-(b) RETURN a
MATCH (a)-[*$n]-(b) RETURN a
MATCH (a)-[:INVITED*1..64]->(b) RETURN a
MATCH (a)-[:INVITED|USED*1..64]-(b) RETURN a
MATCH (a)-[:FOLLOWED*1..65]->(b) RETURN a
MATCH (a)-[:FOLLOWED*1..64]-(b) RETURN a
MATCH (a)-[*1..999999999999999999999]-(b) RETURN a
MATCH (a)-[*/**/]-(b) RETURN a
MATCH (a)-[ * ]-(b) RETURN a
MATCH p = shortestPath((a)-[*]-(b)) RETURN p
MATCH p = shortestPath((a)-[*1..]-(b)) RETURN p
MATCH p = allShortestPaths((a)-[*..100]-(b)) RETURN p
MATCH p = SHORTEST 5 (a)-[*1..3]-(b) RETURN p
MATCH p = ANY SHORTEST (a)-[*1..3]-(b) RETURN p
MATCH p = ALL SHORTEST (a)-->+(b) RETURN p
MATCH (a)-->+(b) RETURN a
MATCH (a)-->*(b) RETURN a
MATCH (a)-[:USED]->+(b) RETURN a
MATCH (a)-[:USED]-+(b) RETURN a
MATCH (a)<-[:USED]-*(b) RETURN a
MATCH (a)--+(b) RETURN a
MATCH (a)-[:USED]->{1,}(b) RETURN a
MATCH (a)-[:USED]->{1,100}(b) RETURN a
MATCH (a)-[:USED]->{7}(b) RETURN a
MATCH (a)-[:USED]->{,}(b) RETURN a
MATCH (a)((x)-->(y))+(b) RETURN a
MATCH (a)((x)-->(y))*(b) RETURN a
MATCH (a) ((x)-[:USED]-(y)) {1,} (b) RETURN a
MATCH (a) ((x)-[:USED]-(y)) {1,50} (b) RETURN a
MATCH REPEATABLE ELEMENTS (a)-[*1..3]-(b) RETURN a
RETURN EXISTS((a)-[*]->(b))
RETURN size([x IN range(1, 1000000000) | x])
RETURN range(1, 1000000000)
UNWIND range(1, 1000000 * 1000000) AS x RETURN x
WITH 1000000000 AS n RETURN range(1, n)
RETURN range(0, 10^9)
RETURN range(1, toInteger('1000000000'))
RETURN range(1, 5, 1000000000)
RETURN reduce(s = 'a', x IN range(1, 40) | s + s)
RETURN reduce(s = 0, x IN range(1, 10000) | s + reduce(t = 0, y IN range(1, 10000) | t + y))
RETURN replace(replace(replace('aaaaaaaaaa', 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa')
RETURN lpad('a', 1000000000, 'b')
WITH 'aaaaaaaa' AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s WITH s+s AS s RETURN size(s)
WITH 'a' AS s RETURN s || s
RETURN [x IN range(1, 1000) | [y IN range(1, 1000) | [z IN range(1, 1000) | 1]]]
RETURN [x IN range(1, 100000) | size([y IN range(1, 100000) | y])]
RETURN any(x IN range(1, 100000) WHERE any(y IN range(1, 100000) WHERE x * y = -1))
WITH range(1, 100000) AS l RETURN [x IN l | l + x]
WITH range(1, 100000) AS l RETURN [x IN range(1, 100000) | l] AS m
WITH range(1, 3000) AS l WITH [x IN l | l] AS l RETURN [x IN l | l] AS m
WITH range(1, 1000) AS l UNWIND range(1, 1000) AS x WITH collect(l) AS l UNWIND range(1, 1000) AS x WITH collect(l) AS l RETURN l
RETURN COLLECT { UNWIND range(1, 9) AS x RETURN COLLECT { UNWIND range(1, 9) AS y RETURN COLLECT { UNWIND range(1, 9) AS z RETURN z } } }
WITH range(1, 100000) AS `a l` WITH {a: `a l`, b: `a l`, c: `a l`} AS m, 1 AS one RETURN [m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m]
MATCH (a) RETURN [(a)-->(b) | [(b)-->(c) | c]]
"""
    "RETURN "
    + "(" * 200
    + "1"
    + ")" * 200
    + "\n"
    + "RETURN 1"
    + " + 1" * 500
    + "\n"
    + "MATCH (a) " * 100
    + "RETURN a\n"
    + "WITH ['a'] AS l "
    + "WITH [l, l, l, l, l, l, l, l, l, l] AS l " * 9
    + "RETURN l\n"
    + "WITH [1] AS l "
    + "WITH [l, l] AS l " * 40
    + "RETURN l = l AS same\n"
    + "WITH {a: 1} AS m "
    + "WITH {a: m, b: m, c: m, d: m} AS m " * 15
    + "RETURN size({a: m} + '') AS n\n"
    + "WITH range(1, 100000) AS l "
    + "WITH l + l AS l " * 10
    + "RETURN size(l) AS n\n"
)

NONSENSE = r"""
RETURN 'open
RETURN "open
RETURN `open
RETURN 1 /* open
RETURN )
RETURN (
RETURN [1
RETURN {a: 1
RETURN ([)]
MATCH
MATCH (n)
RETURN 1 RETURN 2 CREATE (n)
BANANA
RETURN 1 BANANA 2
MATCH (n) BANANA n RETURN n
RETURN 1 2
RETURN 'a' 'b'
RETURN $x $y
RETURN $
RETURN $1
RETURN $`x`
RETURN @x
RETURN #x
RETURN 1 ? 2
RETURN ~1
RETURN \\x
RETURN '\\x41'
RETURN '\\0'
RETURN 1_000
RETURN 1.
RETURN a..b CREATE (n)
"""


def list_hostile() -> list[str]:
    r"""Return every hostile query; `\\n`, `\\u2028` and the like stand for the character, `\\\\` for a backslash."""
    blocks = (WRITES, REACHES_OUT, ADMINISTERS, BOUNDLESS, NONSENSE)
    found = [unfold(line) for block in blocks for line in block.split("\n") if line.strip()]
    # a comment and what comes behind it on the next line
    found[found.index("// MATCH (n)")] = "// MATCH (n)\nCREATE (n:Bad)"
    return found


def unfold(line: str) -> str:
    """Return a query as it is sent: each sign of the notation above becomes its character."""
    signs = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "\\": "\\"}

    def replace(found: re.Match[str]) -> str:
        body = found.group(1)
        if body[0] in "ux" and len(body) > 1:
            return chr(int(body[1:], 16))
        return signs.get(body, found.group())

    return re.sub(r"\\(\\|u[0-9a-f]{4}|x[0-9a-f]{2}|[nrtfv])", replace, line)
