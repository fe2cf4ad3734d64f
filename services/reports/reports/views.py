"""A filed report as people read it: the figures beside the rows of the form's version they were made by."""

from uuid import UUID

from reports.forms import Form, FormBook, Row
from reports.indicators import Figure, Label
from reports.models import OrganisationFact
from reports.queries import Filed
from reports.schemas import FormRowView, FormView, OrganisationName, PartView, ReportView, RevisionView, RowView


def form_view(form: Form) -> FormView:
    return FormView(
        form=form.form,
        version=form.version,
        level=form.level,
        title=form.title,
        as_of=form.as_of,
        due=form.due,
        rows=[FormRowView(**_row(row)) for row in form.rows],
    )


def report_view(filed: Filed, book: FormBook, named: dict[UUID, OrganisationFact]) -> ReportView:
    """Where the form's version is no longer among the files, rows are called by their codes."""
    report, revision = filed.report, filed.revision
    form = book.get(report.form, revision.form_version)
    rows = form.rows if form else [_unlabelled(code) for code in sorted(revision.figures)]
    return ReportView(
        report_id=report.report_id,
        form=report.form,
        form_version=revision.form_version,
        level=report.level,
        title=form.title if form else Label(ru=report.form, en=report.form),
        organisation=_name(report.organisation_id, named),
        as_of=report.as_of,
        due_on=form.due_on(report.as_of) if form else None,
        revision=revision.revision,
        status=report.status,
        formed_at=revision.formed_at,
        version=report.version,
        rows=[RowView(**_row(row), value=revision.figures.get(row.code)) for row in rows],
        parts=_parts(revision.parts, named) if revision.parts is not None else None,
        revisions=[
            RevisionView(revision=item.revision, form_version=item.form_version, formed_at=item.formed_at)
            for item in filed.revisions
        ],
    )


def organisations_of(filed: Filed) -> list[UUID]:
    """Whose names the report needs."""
    return [filed.report.organisation_id, *(UUID(part) for part in filed.revision.parts or {})]


def _parts(parts: dict[str, dict[str, Figure]], named: dict[UUID, OrganisationFact]) -> list[PartView]:
    views = [PartView(**_name(UUID(part), named).model_dump(), figures=figures) for part, figures in parts.items()]
    return sorted(views, key=lambda part: (part.code, str(part.organisation_id)))


def _name(organisation_id: UUID, named: dict[UUID, OrganisationFact]) -> OrganisationName:
    then = named.get(organisation_id)
    return OrganisationName(
        organisation_id=organisation_id,
        code=then.code if then else "",
        name=then.name if then else "",
        kind=then.kind if then else "",
    )


def _unlabelled(code: str) -> Row:
    return Row(code=code, label=Label(ru=code, en=code), declared=True)


def _row(row: Row) -> dict[str, object]:
    return {
        "code": row.code,
        "label": row.label,
        "unit": row.unit,
        "indent": row.indent,
        "formula": row.value,
        "declared": row.declared,
    }
