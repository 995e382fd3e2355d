"""Says in what two observations of a server differ, a line each."""

import json

SHOWN = 300


def differences(direct, through, place=""):
    """Return a line for each place in which what was seen directly and through a gateway differ."""
    if isinstance(direct, dict) and isinstance(through, dict):
        lines = [f"{place}.{key}: only directly: {short(direct[key])}" for key in direct.keys() - through.keys()]
        lines += [f"{place}.{key}: only through: {short(through[key])}" for key in through.keys() - direct.keys()]
        both = direct.keys() & through.keys()
        return lines + [line for key in both for line in differences(direct[key], through[key], f"{place}.{key}")]
    if isinstance(direct, list) and isinstance(through, list) and len(direct) == len(through):
        pairs = enumerate(zip(direct, through, strict=True))
        return [line for number, pair in pairs for line in differences(*pair, f"{place}[{name(pair[0], number)}]")]
    return [] if direct == through else [f"{place}: directly {short(direct)}, through {short(through)}"]


def name(item, number):
    """Name a place in a list: what was asked, where it is a pair of that and what came."""
    return item[0] if isinstance(item, list) and item and isinstance(item[0], str) else number


def short(value):
    return json.dumps(value, ensure_ascii=False)[:SHOWN]
