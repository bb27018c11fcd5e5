"""How often Python looks for objects that refer to each other and to which nobody else refers."""

import gc

NEW_OBJECTS = 50_000  # between two looks at the youngest; Python's own default is 700 or 2,000


def collect_rarely() -> None:
    """Makes the collector look less often: loading libraries and tokenizers makes hundreds of thousands of objects
    that stay, and looking at them again and again takes a quarter of that time."""
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
