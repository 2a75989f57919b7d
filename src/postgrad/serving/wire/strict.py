"""Bodies of requests in which an unknown field is an error, as at OpenAI."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A body in which unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
