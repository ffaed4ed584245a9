"""Carts and address books of shoppers."""
