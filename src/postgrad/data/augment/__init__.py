"""More examples from the ones there are: one method a file. Each proposes; `keep` decides what is good enough.

To add a method: a file with a function of the type `AugmentMethod`, and a line here.
"""

from postgrad.data.augment.examples import examples
from postgrad.data.augment.method import AugmentMethod
from postgrad.data.augment.noise import noise
from postgrad.data.augment.paraphrase import paraphrase

METHODS: dict[str, AugmentMethod] = {"noise": noise, "paraphrase": paraphrase, "examples": examples}
ASKING = frozenset({"paraphrase", "examples"})
"""The methods that need a teacher."""
