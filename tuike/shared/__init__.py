"""Values every capability speaks in: money, rates, instants, ids, pages and errors. No business words, no I/O."""
