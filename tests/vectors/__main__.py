"""`make vectors`: write the published test vectors anew."""

from tests.vectors.made import FILE, document

FILE.parent.mkdir(parents=True, exist_ok=True)
FILE.write_text(document())
