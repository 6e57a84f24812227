"""The names of metric samples, so that the order of labels does not matter."""

import re

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>[^{}]*)\})?")
_LABEL = re.compile(r'\s*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>[^"\\]*)"\s*(?:,|$)')


def canonical_sample(text: str) -> str | None:
    """Return `name{a="1",b="2"}` with its labels in order; None where the text is no sample."""
    match = _SAMPLE.fullmatch(text.strip())
    if match is None:
        return None
    labels, at, written = [], 0, match["labels"] or ""
    while at < len(written):
        label = _LABEL.match(written, at)
        if label is None:
            return None
        labels.append(f'{label["name"]}="{label["value"]}"')
        at = label.end()
    return f"{match['name']}{{{','.join(sorted(labels))}}}" if labels else match["name"]
