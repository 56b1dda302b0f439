"""Collects the texts that a user sees into the catalogues of `nnlens/locale/`, and compiles them.

python tests/catalogues.py            # after a change of a text; then translate what is new in the .po files
python tests/catalogues.py --check    # whether the catalogues are up to date and complete
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / "nnlens" / "locale"
LANGUAGES = ("de",)
# Of each catalogue: where its texts are, in which files, and the functions that are called with them.
SOURCES = {
    "nnlens": (ROOT / "nnlens", [("**.py", "python")], {"_": None, "plural": (1, 2)}),
    "browser": (ROOT / "js" / "src", [("**.ts", "javascript")], {"t": None, "plural": (1, 2)}),
}


def collected(domain: str) -> Catalog:
    """The texts in the code, without translations."""
    folder, methods, keywords = SOURCES[domain]
    catalog = Catalog(project="nnlens", charset="utf-8")
    for name, _line, message, _comments, _context in extract_from_dir(folder, methods, keywords=keywords):
        catalog.add(message, locations=[(f"{folder.name}/{name}", 0)])
    return catalog


def path_of(domain: str, language: str) -> Path:
    """The file of a catalogue."""
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def updated(domain: str, language: str) -> Catalog:
    """The catalogue with the texts that are in the code now, and with the translations that it had."""
    path = path_of(domain, language)
    known = Catalog(locale=language)
    if path.exists():
        with path.open("rb") as file:
            known = read_po(file, locale=language)
    made = Catalog(
        locale=language, project="nnlens", header_comment=f"# {domain}: the texts in {language}", charset="utf-8"
    )
    for message in collected(domain):
        if message.id:
            before = known.get(message.id if isinstance(message.id, str) else message.id[0])
            made.add(message.id, before.string if before else None, locations=sorted(set(message.locations)))
    return made


def as_po(catalog: Catalog) -> bytes:
    """The catalogue as text, without dates: it changes only with the texts."""
    buffer = BytesIO()
    write_po(
        buffer, catalog, width=120, omit_header=False, sort_by_file=False, include_lineno=False, ignore_obsolete=True
    )
    lines = buffer.getvalue().decode().splitlines(keepends=True)
    left_out = (
        '"POT-Creation-Date',
        '"PO-Revision-Date',
        '"Last-Translator',
        '"Language-Team',
        '"Generated-By',
        '"Report-Msgid',
    )
    return "".join(line for line in lines if not line.startswith(left_out)).encode()


def as_mo(catalog: Catalog) -> bytes:
    """The compiled catalogue, without dates."""
    catalog.creation_date = catalog.revision_date = datetime(2000, 1, 1, tzinfo=timezone.utc)
    buffer = BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """The texts without a translation."""
    return [
        str(message.id)
        for message in catalog
        if message.id and not all([message.string] if isinstance(message.string, str) else message.string or [""])
    ]


def main() -> int:
    """Update the catalogues, or check them."""
    problems = []
    for language in LANGUAGES:
        for domain in SOURCES:
            path, catalog = path_of(domain, language), updated(domain, language)
            text, compiled = as_po(catalog), as_mo(read_po(BytesIO(as_po(catalog)), locale=language))
            if "--check" in sys.argv:
                if not path.exists() or path.read_bytes() != text or path.with_suffix(".mo").read_bytes() != compiled:
                    problems.append(f"{path.relative_to(ROOT)} is out of date: run python tests/catalogues.py")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)
                path.with_suffix(".mo").write_bytes(compiled)
            problems += [f"{path.relative_to(ROOT)} lacks {message!r}" for message in missing(catalog)]
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
