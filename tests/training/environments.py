"""Environments for tests, as a user writes them; the file is also loaded as a user's."""


class Counter:
    """A number that tools raise."""

    def reset(self, start: int = 0) -> str | None:
        self.total, self.calls = start, 0
        return f" Begin at {start}." if start else None

    def add(self, number: int) -> str:
        """Adds.

        Args:
            number: What.
        """
        self.calls += 1
        self.total += number
        return str(self.total)

    def get_reward(self) -> float:
        return float(self.total)


class Faulty(Counter):
    """A tool that always raises."""

    def add(self, number: int) -> str:
        """Adds.

        Args:
            number: What.
        """
        raise ValueError("no more room")


class Endless(Counter):
    """A tool whose answer asks for the next call."""

    def add(self, number: int) -> str:
        """Adds.

        Args:
            number: What.
        """
        self.total += 1
        return "again"


class Broken(Counter):
    """A reward that is none."""

    def get_reward(self) -> float:
        return float("nan")


class Picky(Counter):
    """Needs a field."""

    def reset(self, secret: str, start: int = 0) -> None:
        self.total = start


class NoTools:
    """Nothing to call."""

    def reset(self) -> None: ...

    def get_reward(self) -> float:
        return 0.0


class Untold(Counter):
    """A tool without a description."""

    def look(self, place: str) -> str:
        """Looks."""
        return place
