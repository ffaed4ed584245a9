"""Every refusal in the one shape: `{"error": {"code", "message", "fields"?, "part"?, "request_id"}}`."""

import html
from typing import Any

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from api.answers import JSON_TYPE, dump_json
from tuike.shared.errors import TuikeError, Unavailable

log = structlog.get_logger("api")


class MethodNotAllowed(TuikeError):
    code, status, message = "method_not_allowed", 405, "This path does not know this method; see the Allow header."


class PathNotFound(TuikeError):
    code, status, message = "not_found", 404, "There is nothing at this path."


class BodyTooLarge(TuikeError):
    code, status, message = "body_too_large", 413, "The body is larger than 256 KiB."


class UploadTooLarge(TuikeError):
    code, status, message = "upload_too_large", 413, "The upload is larger than this call takes."


class UnsupportedMediaType(TuikeError):
    code, status, message = "unsupported_media_type", 415, "Bodies are JSON in UTF-8: Content-Type: application/json."


class InternalError(TuikeError):
    code, status = "internal_error", 500
    message = "Something went wrong here. It was logged under this request id."


class Busy(Unavailable):
    code, part = "busy", "postgres"
    message = "Too many requests want the same thing at once. Nothing was changed; try again."


_BY_STATUS: dict[int, type[TuikeError]] = {
    404: PathNotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}
# Lock wait over, deadlock, serialization failure, statement cancelled: nobody's fault, and safe to send again.
_BUSY_STATES = frozenset({"55P03", "40P01", "40001", "57014"})
_RETRY_STATES = frozenset({"40P01", "40001"})
_MAX_FIELDS = 100


def sql_state_of(error: BaseException) -> str | None:
    """Return the SQLSTATE behind a database error, None for any other error."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def is_worth_retrying(error: BaseException) -> bool:
    """Tell whether PostgreSQL gave the transaction up for reasons that vanish when it is run again."""
    return sql_state_of(error) in _RETRY_STATES


def is_busy(error: BaseException) -> bool:
    """Tell whether others were in the way for too long: nobody's fault, and safe to send again."""
    return sql_state_of(error) in _BUSY_STATES


def clean_text(text: str) -> str:
    """Return text that is safe to answer and to log: no lone surrogates, no control characters, not endless."""
    printable = "".join(char if char.isprintable() else "\ufffd" for char in text[:128])
    return printable.encode("utf-8", "replace").decode()


def render_error(error: TuikeError) -> Response:
    """Return the answer for a refusal: JSON, or a small page for a browser outside the API."""
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="tuike"'
    if error.status == 503:
        headers["Retry-After"] = "1"
    if error.status == 429:
        headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    g.error_code = error.code
    request_id = g.get("request_id", "")
    if _wants_page():
        page = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{error.status}</title>"
            f"<h1>{html.escape(str(error))}</h1><p>{error.status} {error.code} · {html.escape(request_id)}</p></html>"
        )
        return Response(page, error.status, headers, mimetype="text/html")
    body: dict[str, Any] = {"code": error.code, "message": clean_message(str(error))}
    if error.fields:
        body["fields"] = {clean_text(name): reasons for name, reasons in list(error.fields.items())[:_MAX_FIELDS]}
    if error.details:
        body["details"] = error.details
    if isinstance(error, Unavailable):
        body["part"] = error.part
    body["request_id"] = request_id
    return Response(dump_json({"error": body}), error.status, headers, content_type=JSON_TYPE)


def clean_message(text: str) -> str:
    """Return a message without anything that would not survive UTF-8."""
    return text.encode("utf-8", "replace").decode()


def register_error_handlers(app: Flask) -> None:
    """Give every way to fail the one shape."""

    @app.errorhandler(TuikeError)
    def refuse(error: TuikeError) -> Response:
        return render_error(error)

    @app.errorhandler(HTTPException)
    def refuse_http(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return error.get_response()  # type: ignore[return-value]
        kind = _BY_STATUS.get(status)
        if kind is None:
            refusal = TuikeError() if status < 500 else InternalError()
            refusal.code = "malformed" if status < 500 else InternalError.code
            refusal.status = status
        else:
            refusal = kind()
        response = render_error(refusal)
        allowed = getattr(error, "valid_methods", None)
        if allowed:
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        if is_busy(error):
            log.warning("http.busy", request_id=g.get("request_id"), sqlstate=sql_state_of(error))
            return render_error(Busy())
        log.error("http.failed", request_id=g.get("request_id"), method=request.method, exc_info=error)
        return render_error(InternalError())


def _wants_page() -> bool:
    if request.path.startswith("/api/"):
        return False
    accepted = request.headers.get("Accept", "")
    if "text/html" not in accepted:
        return False
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
