"""What the loader refuses in a `.cypher` file."""

import pytest

from tuike.graph.library import CypherFileWrong, parse_statement

GOOD = """// Get the status of one promoter.
//
// mode:    read
// params:  $promoter_id  string  whose status
// returns: status string
// cost:    one index seek
// sample:  {"promoter_id": "prm_demo"}
MATCH (promoter:User {promoter_id: $promoter_id})
RETURN promoter.status AS status
"""


def test_a_good_file_says_what_it_takes_and_gives():
    statement = parse_statement("team.get_status", GOOD)
    assert statement.summary == "Get the status of one promoter."
    assert statement.params == {"promoter_id": "string"}
    assert statement.returns == {"status": "string"}
    assert statement.text.startswith("MATCH")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("// cost:    one index seek\n", "", "cost"),
        ("// mode:    read", "// mode:    write", "mode"),
        ("RETURN promoter.status", "SET promoter.status = 1 RETURN promoter.status", "mode"),
        ("{promoter_id: $promoter_id}", "{promoter_id: $other}", "params differ"),
        ("AS status", "AS state", "returns"),
        ('{"promoter_id": "prm_demo"}', "{}", "sample"),
        ('{"promoter_id": "prm_demo"}', "{'", "JSON"),
        ("RETURN", "WHERE promoter.status = 'active' RETURN", "parameter"),
        ("RETURN", "MATCH (promoter)-[:INVITED*]->(x) RETURN", "bounds"),
        ("RETURN", "MATCH (promoter)-[:INVITED*2]->(x) RETURN", "bounds"),
        ("RETURN", "MATCH (promoter)-[:INVITED*1..]->(x) RETURN", "bounds"),
        ("RETURN", "CALL db.labels() YIELD label RETURN", "procedures"),
        ("AS status", "AS status;", "semicolon"),
        ("$promoter_id  string  whose", "$promoter_id  text  whose", "params line"),
    ],
)
def test_a_header_that_does_not_fit_the_body_is_refused(old, new, why):
    assert old in GOOD
    with pytest.raises(CypherFileWrong, match=why):
        parse_statement("team.get_status", GOOD.replace(old, new))
