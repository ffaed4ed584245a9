"""The verbs of fulfilment. Each locks the order's row first, so that whatever meets at an order goes one by one."""
