"""A shuffled order that needs no memory: the n-th place is computed when it is asked for."""

from gptkit.sampling.draws import draw64

ROUNDS = 6
MASK = (1 << 64) - 1


class Permutation:
    """A keyed permutation of 0 … size − 1.

    A Feistel network over pairs of halves (Luby and Rackoff 1988) permutes the smallest even power of two that is large
    enough; a number that falls outside goes through it again until it is inside (Black and Rogaway 2002, section 3).
    """

    def __init__(self, size: int, *key: object) -> None:
        """Raises ValueError for a size below 1."""
        if size < 1:
            raise ValueError(f"{size} places cannot be shuffled")
        self.size = size
        self._bits = max(1, ((size - 1).bit_length() + 1) // 2)  # of each half
        self._keys = [draw64(*key, "round", number) for number in range(ROUNDS)]

    def __getitem__(self, place: int) -> int:
        """What stands at a place. Raises IndexError outside."""
        if not 0 <= place < self.size:
            raise IndexError(f"place {place} of {self.size}")
        found = self._permute(place)
        while found >= self.size:
            found = self._permute(found)
        return found

    def _permute(self, number: int) -> int:
        half = (1 << self._bits) - 1
        left, right = number >> self._bits, number & half
        for key in self._keys:
            left, right = right, left ^ (_mix(right ^ key) & half)
        return left << self._bits | right


def _mix(x: int) -> int:
    """Spreads 64 bits over 64 bits (SplitMix64's finaliser, Steele et al. 2014)."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31
