"""Queries that must pass and run on both servers, so that the gate is not simply shut. Those with a {…} take it."""

FRIENDLY = r"""
MATCH (n:User) RETURN n LIMIT 5
match (n:User) return n limit 5
MATCH (n:User) RETURN n.id AS id ORDER BY id SKIP 1 LIMIT 10
MATCH (n:User) RETURN count(*) AS people
MATCH (n:User) RETURN count(DISTINCT n.status) AS kinds
MATCH (n:User) WHERE n.promoter_id IS NOT NULL RETURN n.promoter_id AS id ORDER BY id
MATCH (n:User) WHERE n.promoter_id IS NULL AND NOT n.id STARTS WITH 'x' RETURN n.id AS id
MATCH (n:User) WHERE n.id ENDS WITH '1' OR n.id CONTAINS 'person' RETURN n.id AS id
MATCH (n:User) WHERE n.id =~ 'person-[0-9]+' RETURN n.id AS id
MATCH (n:User) WHERE n.id IN ['person-1', 'person-2'] RETURN n.id AS id
MATCH (n:User) WHERE n.team_1 > 0 AND n.team_2 <> 1 RETURN n.team_1 AS size ORDER BY size DESC
MATCH (n:User) WITH n.status AS status, count(*) AS people RETURN status, people ORDER BY people DESC
MATCH (n:User) RETURN coalesce(n.status, 'buyer') AS status, count(*) AS people
MATCH (n:User) WITH n ORDER BY n.joined_at DESC LIMIT 3 RETURN collect(n.id) AS newest
MATCH (a:User)-[:INVITED]->(b:User) RETURN a.promoter_id AS above, b.promoter_id AS below
MATCH (a:User)-[r:INVITED]->(b:User) RETURN a, r, b LIMIT 10
MATCH (a:User)-[:INVITED*1..3]->(b:User) RETURN a.id AS id, count(b) AS team ORDER BY team DESC
MATCH (a:User)<-[:INVITED*1..64]-(b:User) RETURN a.id AS id, count(b) AS uplines
MATCH (a:User)<-[:INVITED*2]-(b:User) RETURN a.id AS id, b.id AS grandparent
MATCH path = (a:User)-[:INVITED*1..2]->(b:User) RETURN path LIMIT 5
MATCH path = (a:User)-[:INVITED*1..2]->(b:User) RETURN length(path) AS steps, [n IN nodes(path) | n.id] AS ids
MATCH path = (a:User)-[:INVITED*1..2]->(b:User) WHERE all(r IN relationships(path) WHERE r.valid_from >= 0) RETURN count(path) AS n
MATCH path = (a:User)-[:INVITED*1..2]->(b:User) WHERE any(n IN nodes(path) WHERE n.team_1 = 0) RETURN count(path) AS n
MATCH (a:User)-[:INVITED]->(b:User)-[:INVITED]->(c:User) RETURN a.id AS a, b.id AS b, c.id AS c
MATCH (a:User), (b:User) WHERE a.id < b.id RETURN count(*) AS pairs
MATCH (a:User)-[:USED]->(d:Identifier)<-[:USED]-(b:User) WHERE a.id < b.id RETURN a.id AS a, b.id AS b, count(d) AS shared
MATCH (d:Identifier)<-[u:USED]-(a) RETURN d.kind AS kind, count(a) AS accounts, sum(u.times) AS times
MATCH (d:Identifier {kind: 'device'}) RETURN count(d) AS devices
MATCH (u:User)-[:PLACED]->(o:Order)-[c:CREDITED_TO]->(p:User) RETURN u.id AS buyer, p.promoter_id AS promoter, c.model AS model
MATCH (u:User) OPTIONAL MATCH (u)-[:PLACED]->(o:Order) RETURN u.id AS id, count(o) AS orders ORDER BY orders DESC, id
MATCH (t:Touch)-[:FOLLOWED*0..50]->(f:Touch) RETURN t.id AS id, count(f) AS depth
MATCH (l:Link)<-[:SHARED]-(p:User) RETURN l.code AS code, p.promoter_id AS promoter
MATCH (l:Link)<-[:OPENED]-(t:Touch) RETURN l.code AS code, count(t) AS opened
MATCH p = shortestPath((a:User {id: 'person-1'})-[:INVITED|USED*1..6]-(b:User {id: 'person-3'})) RETURN length(p) AS steps
MATCH (u:User) WHERE EXISTS { (u)-[:PLACED]->(:Order) } RETURN u.id AS id
MATCH (u:User) WHERE NOT EXISTS { MATCH (u)-[:INVITED]->(m:User) WHERE m.team_1 > 0 } RETURN u.id AS id
MATCH (u:User) RETURN u.id AS id, COUNT { (u)-[:PLACED]->(:Order) } AS orders
MATCH (u:User) WHERE NOT (u)<-[:INVITED]-(:User) AND u.promoter_id IS NOT NULL RETURN u.id AS root
MATCH (u:User) CALL (u) { MATCH (u)-[:PLACED]->(o:Order) RETURN count(o) AS orders } RETURN u.id AS id, orders
MATCH (u:User) CALL { WITH u MATCH (u)-[:PLACED]->(o:Order) RETURN count(o) AS orders } RETURN u.id AS id, orders
CALL db.labels() YIELD label RETURN label ORDER BY label
CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType
CALL db.propertyKeys() YIELD propertyKey RETURN count(propertyKey) AS keys
UNWIND [1, 2, 3] AS x RETURN x * 2 AS doubled
UNWIND range(1, 100) AS x RETURN sum(x) AS total, avg(x) AS mean, min(x) AS low, max(x) AS high
UNWIND $ids AS id MATCH (u:User {id: id}) RETURN u.id AS id
MATCH (u:User {id: $id}) RETURN u{.id, .status, team: u.team_1} AS person
MATCH (u:User) RETURN u.id AS id, labels(u) AS labels, keys(u) AS keys LIMIT 3
MATCH (a:User)-[r]->(b) RETURN type(r) AS type, labels(b)[0] AS label, count(*) AS n ORDER BY n DESC
RETURN 1 AS one UNION RETURN 2 AS one
RETURN 1 AS one UNION ALL RETURN 1 AS one
RETURN CASE WHEN 1 > 2 THEN 'more' ELSE 'less' END AS word
RETURN CASE 3 WHEN 3 THEN 'three' ELSE 'other' END AS word
RETURN [x IN range(1, 10) WHERE x % 2 = 0 | x * x] AS squares
RETURN {set: 1, delete: 'x', create: true} AS words
RETURN 'CREATE (n) // not a comment /* nor this */ DELETE' AS text
RETURN "it's; DROP INDEX x" AS text
RETURN 'it\'s \\ fine' AS text
RETURN 1.5e3 AS a, -2 AS b, .1 * 10 AS c
RETURN 1.5e3 AS a, -2 AS b, 7 / 2 AS c, 7 % 2 AS d, 2 ^ 3 AS e
RETURN toInteger('42') AS n, toFloat('1.5') AS f, toString(42) AS s
RETURN abs(-1) AS a, round(1.5) AS b, sqrt(16) AS c, sign(-3) AS d, floor(1.7) AS e
RETURN size('abc') AS n, toUpper('abc') AS u, substring('abcdef', 1, 3) AS s, split('a,b', ',') AS parts
RETURN head([1,2]) AS first, last([1,2]) AS last, tail([1,2,3]) AS rest, reverse([1,2]) AS back
RETURN null IS NULL AS yes, true AND NOT false XOR false AS no
RETURN $a + $b AS sum
MATCH (n:User) // a comment; CREATE (:Bad)
MATCH (n:User) /* DELETE n */ RETURN count(n) AS n
MATCH (n:User) RETURN n.set AS a, n.delete AS b, n.create AS c, n.merge AS d, n.call AS e LIMIT 1
MATCH (n:`User`) RETURN n.`id` AS `the id` LIMIT 1
MATCH (推客:User) WHERE 推客.promoter_id IS NOT NULL RETURN 推客.id AS 编号 LIMIT 3
MATCH (a:User WHERE a.team_1 > 0)-[r:INVITED WHERE r.valid_from > 0]->(b) RETURN a.id AS a, b.id AS b
MATCH (a:User)-->(b)<--(c:User) WHERE a.id <> c.id RETURN count(*) AS n
MATCH (n:User) RETURN (n.team_1 + 1) * 2 AS n, percentileCont(n.team_1, 0.5) AS median
MATCH (u:User)-[:PLACED]->(o:Order) WITH u, collect(o.id) AS orders RETURN collect({id: u.id, orders: orders}) AS everybody
UNWIND $ids AS id MATCH (u:User {id: id}) WITH id, collect({id: id, at: u.joined_at}) AS found RETURN collect(found) AS all
MATCH (u:User) WITH {id: u.id, team: u.team_1, at: u.joined_at} AS m WITH {a: m.id, b: m.team, c: m} AS m RETURN m LIMIT 3
UNWIND range(1, 1000) AS x WITH collect(x) AS l RETURN size(l) AS n, l[0] AS first, [y IN l WHERE y > 990 | y] AS some
UNWIND range(1, 10000) AS x RETURN collect(x) AS l
MATCH (n:User) WHERE n.id STARTS WITH 'person' RETURN [n, n, n] AS thrice LIMIT 1
MATCH (n:User) RETURN n.id AS id;
"""


def list_friendly() -> list[str]:
    """Return every friendly query."""
    queries = [line for line in FRIENDLY.split("\n") if line.strip()]
    queries = [query for query in queries if ".1 * 10" not in query]
    at = queries.index("MATCH (n:User) // a comment; CREATE (:Bad)")
    queries[at] += "\nRETURN count(n) AS n"
    return queries


PARAMS = {"ids": ["person-1", "person-2"], "id": "person-1", "a": 1, "b": 2}
