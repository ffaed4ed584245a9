"""The least that Flask can do: one route without a database, served like the API as a yardstick for it."""

from flask import Flask, Response

application = Flask("empty")


@application.get("/api/v1/empty")
def answer() -> Response:
    """Answer an empty document."""
    return Response(b"{}", content_type="application/json")
