"""Rows of cases, by what they are about."""
