"""Which forms a run makes."""

from datetime import date

from reports.errors import FormUnknown, NotADayOfTheForm
from reports.forms import Form, FormBook


def forms_to_make(book: FormBook, wanted: str | None, as_of: date) -> list[Form]:
    """The newest version of the wanted form, or of every form that is made as of this day."""
    newest = book.newest
    if wanted is not None and wanted not in newest:
        raise FormUnknown(wanted, sorted(newest))
    asked = [newest[wanted]] if wanted is not None else list(newest.values())
    made = [form for form in asked if form.is_made_as_of(as_of)]
    if not made:
        raise NotADayOfTheForm(as_of, [form.form for form in asked])
    return made
