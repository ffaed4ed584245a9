"""Rows of payments, by what they are about."""
