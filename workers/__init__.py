"""Celery: what follows from what happened (`reactions`), what runs by the clock (`schedule`), and the thin tasks."""
