"""Nouns of identity, by group: callers, keys, shoppers, sessions, staff, agreements."""
