"""Signatures of exports: ed25519 over the record that holds every file's hash; and in-toto statements of the same.

Keys are PEM files of one's own. Envelopes are DSSE (https://github.com/secure-systems-lab/dsse), statements in-toto's
of version 1 (https://github.com/in-toto/attestation).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from postgrad.errors import GateError, UsageError
from postgrad.json_types import JsonObject
from postgrad.steps.delivery.exporting import ATTESTATION, RECORD, SIGNATURE, changed_files, record_of
from postgrad.storage import write_atomic

_TYPE = "application/vnd.in-toto+json"


def make_key(path: Path) -> Path:
    """Writes a private key that nobody else may read, and the public one beside it; gives the latter.

    Raises:
        UsageError: there is a file of that name.
    """
    ed25519, serialization = _library()
    if path.exists():
        raise UsageError(f"{str(path)!r} exists.", "Name a new file: a key is never written over.")
    key = ed25519.Ed25519PrivateKey.generate()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    write_atomic(path, key.private_bytes(pem, form, serialization.NoEncryption()), 0o600)
    public = path.with_name(path.name + ".pub")
    write_atomic(public, key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def sign(folder: Path, key: Path, attest: bool = False) -> list[Path]:
    """Signs an export; gives the files written.

    Args:
        folder: That `postgrad export` made; refused where a file changed since.
        key: The private key.
        attest: Write an in-toto statement besides.

    Raises:
        GateError: a file is not as it was exported.
        UsageError: the key cannot be used.
    """
    if changed := changed_files(folder):
        name, state = next(iter(changed.items()))
        raise GateError(f"{name} is {state} since the export; it is not signed.", "Export the model again.")
    private = _private(key)
    record = (folder / RECORD).read_bytes()
    signed = folder / SIGNATURE
    write_atomic(signed, base64.b64encode(private.sign(record)) + b"\n", 0o644)
    if not attest:
        return [signed]
    statement = json.dumps(_statement(record_of(folder)), sort_keys=True).encode()
    signature = private.sign(_pre_authenticated(statement))
    envelope = {
        "payloadType": _TYPE,
        "payload": base64.b64encode(statement).decode(),
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    path = folder / ATTESTATION
    write_atomic(path, json.dumps(envelope, indent=1), 0o644)
    return [signed, path]


def verify(folder: Path, key: Path) -> list[str]:
    """What is wrong with a signed export; empty where nothing is.

    Args:
        folder: The export.
        key: The public key.

    Raises:
        StorageError: the folder is no export.
        UsageError: the key cannot be used.
    """
    from cryptography.exceptions import InvalidSignature

    public, record = _public(key), record_of(folder)
    out = [f"{name} is {state}" for name, state in changed_files(folder).items()]
    if not (folder / SIGNATURE).exists():
        return [*out, "it is not signed"]
    try:
        public.verify(base64.b64decode((folder / SIGNATURE).read_bytes()), (folder / RECORD).read_bytes())
    except (InvalidSignature, ValueError):
        out.append("its signature is not of this key, or its record was changed")
    if (folder / ATTESTATION).exists():
        try:
            envelope = json.loads((folder / ATTESTATION).read_text("utf-8"))
            payload = base64.b64decode(envelope["payload"])
            public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), _pre_authenticated(payload))
            if json.loads(payload)["subject"] != _statement(record)["subject"]:
                out.append("its attestation speaks of other files")
        except (InvalidSignature, ValueError, KeyError, IndexError):
            out.append("its attestation is not of this key, or was changed")
    return out


def _statement(record: JsonObject) -> JsonObject:
    names = sorted(record["files"].items())
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": n, "digest": {"sha256": d.removeprefix("sha256:")}} for n, d in names],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://pypi.org/project/postgrad/export",
                "externalParameters": {k: record[k] for k in ("model", "format", "precision", "base")},
                "resolvedDependencies": [
                    {"name": "weights", "digest": {"sha256": str(record["blob"]).removeprefix("sha256:")}},
                    {"name": "base", "digest": {"sha256": str(record["base_hash"]).removeprefix("sha256:")}},
                ],
            },
            "runDetails": {
                "builder": {"id": f"postgrad {record['postgrad']}"},
                "metadata": {"finishedOn": record["made"]},
            },
        },
    }


def _pre_authenticated(payload: bytes) -> bytes:
    """What a DSSE signature is over."""
    kind = _TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise UsageError("Signing needs the package cryptography.", "pip install 'postgrad[sign]'") from error
    return ed25519, serialization


def _private(path: Path) -> Any:
    ed25519, serialization = _library()
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{str(path)!r} is no private key that can be read: {error}.", "Make one: postgrad sign --new-key FILE."
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UsageError(f"{str(path)!r} is no ed25519 key.", "Make one: postgrad sign --new-key FILE.")
    return key


def _public(path: Path) -> Any:
    ed25519, serialization = _library()
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{str(path)!r} is no public key that can be read: {error}.") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise UsageError(f"{str(path)!r} is no ed25519 key.")
    return key
