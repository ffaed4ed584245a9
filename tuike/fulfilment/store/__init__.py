"""Rows of fulfilment. The lock of an order's row covers its lines, parcels, cases and refunds."""
