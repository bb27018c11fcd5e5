"""In which pieces attention is computed on a processor (see chunks): measured, and known to the memory plan."""

CHUNK = 128  # queries; with 64, 256 or 512 no pattern is faster from 512 to 2,048 tokens
SHORT = 256  # tokens: at 192 one product with a mask is as fast; at 256 this takes two thirds of its time
COLUMNS = 1024  # tokens from which taking every S-th place apart is faster than masking the others,
STRIDE = 8  # and this S
