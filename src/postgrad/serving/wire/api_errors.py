"""Errors as OpenAI's clients expect them: a status, and always `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from postgrad.errors import DataError, ModelError, NoAnswersError, PostgradError, StorageError, UsageError
from postgrad.json_types import JsonObject
from postgrad.storage import DISK_ERRORS


class ApiError(HTTPException):
    """An answer in OpenAI's error form.

    Args:
        status: HTTP status. For a conflict of states take 400: OpenAI's SDK tries 409 again.
        message: What is wrong, and what to do.
        code: Short machine name.
        param: The field that is wrong.
        kind: OpenAI's `type`.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers) if headers else None)
        self.status = status
        self.body: JsonObject = {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, headers=self.headers)


def unknown_model(name: str, hint: str = "") -> ApiError:
    """The model that a client named is not there for it."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return ApiError(404, f"{message} {hint}".rstrip(), "model_not_found", "model")


def foreseen(error: PostgradError) -> ApiError:
    """One of postgrad's own errors as an answer."""
    if isinstance(error, DataError):
        code = "context_length_exceeded" if "context length" in error.message else None
        return ApiError(400, str(error), code, "messages")
    if isinstance(error, UsageError):
        return ApiError(400, str(error))
    if isinstance(error, NoAnswersError):
        return ApiError(400, str(error), "model_not_available", "model")
    if isinstance(error, ModelError | StorageError):
        return ApiError(503 if isinstance(error, StorageError) else 500, str(error), kind="server_error")
    return ApiError(500, str(error), kind="server_error")


def invalid(error: RequestValidationError) -> ApiError:
    """The first fault of a request's body or query; where a field may be of several kinds, the fault of the kind
    meant."""
    first = min(
        error.errors(), key=lambda e: (e["type"].endswith(("_type", "_parsing", "literal_error")), -len(e["loc"]))
    )
    where = ".".join(str(part) for part in first["loc"][1:] if _names_a_field(part))
    kind = first["type"]
    if kind == "json_invalid":
        return ApiError(400, f"We could not parse the JSON body of your request: {first['ctx']['error']}.")
    if kind == "missing" and not where:
        return ApiError(400, "The request needs a JSON body.", "missing_required_parameter")
    if kind == "missing":
        return ApiError(400, f"Missing required parameter: {where!r}.", "missing_required_parameter", where)
    if kind == "extra_forbidden":
        return ApiError(400, f"Unknown parameter: {where!r}.", "unknown_parameter", where)
    if not where:
        return ApiError(
            400, "The request's body must be a JSON object, sent with content-type application/json.", "invalid_value"
        )
    return ApiError(400, f"Invalid value for {where!r}: {first['msg']}.", "invalid_value", where)


def _names_a_field(part: Any) -> bool:
    """Whether a part of pydantic's location is a field or a place in a list, and not the kind of a value."""
    return isinstance(part, int) or (part.replace("_", "a").islower() and part.isidentifier() and part not in _KINDS)


_KINDS = ("str", "int", "float", "bool")


def _allow(request: Request) -> dict[str, str]:
    """The methods that a path takes, over all of its routes (the framework names those of the first alone)."""
    methods: set[str] = set()
    for path, operations in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\\{[^}]*\\}", ".+", re.escape(path)), request.url.path):
            methods |= {method.upper() for method in operations}
    return {"allow": ", ".join(sorted(methods))}


def install(app: FastAPI) -> None:
    """Every foreseen error in OpenAI's form; the others are faults of ours and are answered with 500."""

    @app.exception_handler(ApiError)
    async def api(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return invalid(error).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        where = f"{request.method} {request.url.path}"
        message = {404: f"Unknown request URL: {where}.", 405: f"Method not allowed: {where}."}.get(error.status_code)
        code = {404: "unknown_url", 405: "method_not_supported"}.get(error.status_code)
        headers = _allow(request) if error.status_code == 405 else error.headers
        return ApiError(error.status_code, message or str(error.detail), code, headers=headers).response()

    @app.exception_handler(PostgradError)
    async def ours(request: Request, error: PostgradError) -> JSONResponse:
        return foreseen(error).response()

    @app.exception_handler(OSError)
    async def disk(_: Request, error: OSError) -> JSONResponse:
        if error.errno not in DISK_ERRORS:
            raise error
        return foreseen(StorageError(f"The server's disk cannot be written to: {error.strerror}.")).response()

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> JSONResponse:
        return ApiError(500, "The server had an error while processing your request.", kind="server_error").response()
