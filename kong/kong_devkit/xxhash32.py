"""xxHash32, which Kong's consistent-hashing balancer uses.

Source: https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
"""

import struct

_P1, _P2, _P3, _P4, _P5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
_MASK = 0xFFFF_FFFF


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & _MASK


def xxhash32(data: bytes, seed: int = 0) -> int:
    """The 32-bit hash of some bytes."""
    position, length = 0, len(data)
    if length >= 16:
        lanes = [(seed + _P1 + _P2) & _MASK, (seed + _P2) & _MASK, seed, (seed - _P1) & _MASK]
        while position <= length - 16:
            for lane, word in enumerate(struct.unpack_from("<4I", data, position)):
                lanes[lane] = _rotate((lanes[lane] + word * _P2) & _MASK, 13) * _P1 & _MASK
            position += 16
        total = sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
    else:
        total = (seed + _P5) & _MASK
    total = (total + length) & _MASK
    while position <= length - 4:
        (word,) = struct.unpack_from("<I", data, position)
        total = _rotate((total + word * _P3) & _MASK, 17) * _P4 & _MASK
        position += 4
    for byte in data[position:]:
        total = _rotate((total + byte * _P5) & _MASK, 11) * _P1 & _MASK
    for shift, prime in ((15, _P2), (13, _P3)):
        total = (total ^ total >> shift) * prime & _MASK
    return total ^ total >> 16
