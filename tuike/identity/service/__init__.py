"""Verbs of identity, by group."""
