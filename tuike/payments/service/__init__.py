"""Verbs of payments, by what they are about."""
