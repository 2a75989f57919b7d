"""The registry: named, versioned models with their lineage, and the aliases that say which one is in use."""

from postgrad.registry.catalogue import Catalogue, ModelEntry

__all__ = ["Catalogue", "ModelEntry"]
