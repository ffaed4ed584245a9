// Return which of some texts are the id of a person or browser, or the key or digest of an identifier.
//
// mode:    read
// params:  $texts     list  texts that could be one
//          $prefixes  list  what may stand before a digest in a key; the empty one too
// returns: text string, is_person boolean, is_visitor boolean, is_identifier boolean
// cost:    two index seeks a text, and one for each prefix
// sample:  {"texts": ["usr_demo"], "prefixes": [""]}
UNWIND $texts AS text
OPTIONAL MATCH (person:User {id: text})
OPTIONAL MATCH (visitor:Visitor {id: text})
CALL (text) {
  UNWIND $prefixes AS prefix
  OPTIONAL MATCH (identifier:Identifier {key: prefix + text})
  RETURN count(identifier) AS identifiers
}
WITH text, person, visitor, identifiers
WHERE person IS NOT NULL OR visitor IS NOT NULL OR identifiers > 0
RETURN text AS text, person IS NOT NULL AS is_person, visitor IS NOT NULL AS is_visitor,
  identifiers > 0 AS is_identifier
