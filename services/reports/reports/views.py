"""A filed report as people read it: the figures beside the rows of the form's version they were made by."""

from uuid import UUID

from reports.forms import Form, FormBook, Row
from reports.indicators import Figure, Label
from reports.models import OrganisationFact
from reports.queries.reading import Filed
from reports.schemas import (
    CheckView,
    DeclarationView,
    FormRowView,
    FormView,
    OrganisationName,
    PartView,
    ReportView,
    RevisionView,
    RowView,
    StepView,
    ToldView,
)


def form_view(form: Form, book: FormBook) -> FormView:
    return FormView(
        form=form.form,
        version=form.version,
        level=form.level,
        title=form.title,
        as_of=form.as_of,
        due=form.due,
        rows=[FormRowView(**_row(row, book)) for row in form.rows],
        checks=[CheckView(code=c.code, label=c.label, blocks=c.blocks, holds=None) for c in form.checks],
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
        due_on=report.due_on,
        revision=revision.revision,
        edition=report.edition,
        status=report.status,
        formed_at=revision.formed_at,
        signed_at=report.signed_at,
        accepted_at=report.accepted_at,
        on_time=report.first_signed_on <= report.due_on if report.first_signed_on and report.due_on else None,
        reason=report.reason,
        version=report.version,
        rows=[
            RowView(
                **_row(row, book),
                value=revision.figures.get(row.code),
                told=_told(row, filed) if form else None,
            )
            for row in rows
        ],
        checks=[
            CheckView(code=c.code, label=c.label, blocks=c.blocks, holds=c.code not in revision.failed)
            for c in (form.checks if form else [])
        ],
        parts=_parts(parts, named) if (parts := revision.parts_by_code()) is not None else None,
        revisions=[
            RevisionView(revision=item.revision, form_version=item.form_version, formed_at=item.formed_at)
            for item in filed.revisions
        ],
        steps=[StepView(**step.model_dump(exclude={"report_id"})) for step in filed.steps],
        declarations=[
            DeclarationView(
                indicator=d.indicator, figure=d.figure, declared_by=d.declared_by, declared_at=d.recorded_at
            )
            for d in filed.declarations
        ],
    )


def organisations_of(filed: Filed) -> list[UUID]:
    """Whose names the report needs."""
    return [filed.report.organisation_id, *(UUID(part) for part in filed.revision.parts or {})]


def _told(row: Row, filed: Filed) -> ToldView | None:
    sides = filed.revision.sides().get(row.indicator or "")
    if sides is None:
        return None
    return ToldView(
        counted=sides["counted"],
        declared=sides["declared"],
        unknown=sides["unknown"] or 0,
        differs=sides["differs"] or 0,
    )


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
    return Row(code=code, label=Label(ru=code, en=code), value="0")


def _row(row: Row, book: FormBook) -> dict[str, object]:
    return {
        "code": row.code,
        "label": row.label,
        "unit": row.unit,
        "indent": row.indent,
        "formula": row.value,
        "declared": row.indicator in book.catalogue.declarable,
    }
