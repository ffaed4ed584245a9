"""Reads and writes of identity, by group."""
