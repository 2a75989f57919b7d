"""Names for what transformers and gguf make, in signatures: their own types say less than these objects can do."""

from __future__ import annotations

from typing import Any, TypeAlias

Module: TypeAlias = Any
"""A causal language model of transformers', of any architecture."""
Config: TypeAlias = Any
"""Its config; which settings it has hangs on the architecture."""
Writer: TypeAlias = Any
"""What writes a GGUF file."""
QuantizationType: TypeAlias = Any
"""A type of tensors in a GGUF file."""
Setting: TypeAlias = Any
"""What stands in a GGUF file under a key: a number, a text, a list of them."""
