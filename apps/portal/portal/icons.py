"""The portal's few pictures, drawn here: lines of 2 on a field of 24."""
# ruff: noqa: E501 (a drawing has no words to break at)

from markupsafe import Markup

_PATHS = {
    "alert": '<path d="M12 8v5m0 3.5v.01M10.3 4.2 2.9 17.3A2 2 0 0 0 4.6 20h14.8a2 2 0 0 0 1.7-2.7L13.7 4.2a2 2 0 0 0-3.4 0z"/>',
    "bag": '<path d="M6 8h12l1 12H5L6 8zm3 0V6.5a3 3 0 0 1 6 0V8"/>',
    "card": '<rect x="3" y="5" width="18" height="14" rx="2.5"/><path d="M3 10h18M7 15h4"/>',
    "check": '<path d="m5 12.5 4.5 4.5L19 7.5"/>',
    "clock": '<circle cx="12" cy="12" r="8.5"/><path d="M12 7.5V12l3 2"/>',
    "cloud-off": '<path d="m4 4 16 16M8.5 6.6A6 6 0 0 1 18 10a4.5 4.5 0 0 1 2.6 7.6M6.5 9.9A4.5 4.5 0 0 0 7 19h9"/>',
    "coins": '<circle cx="9" cy="9" r="5.5"/><path d="M14.6 9.7A5.5 5.5 0 1 1 9.7 15M9 6.8v4.4"/>',
    "cross": '<path d="m6 6 12 12M18 6 6 18"/>',
    "door": '<path d="M13 4h5a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-5M4 12h10m-4-4 4 4-4 4"/>',
    "download": '<path d="M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 19.5h14"/>',
    "home": '<path d="m4 11 8-7 8 7v8a1 1 0 0 1-1 1h-4.5v-6h-5v6H5a1 1 0 0 1-1-1z"/>',
    "next": '<path d="m9.5 6 6 6-6 6"/>',
    "people": '<circle cx="9" cy="8.5" r="3.5"/><path d="M2.5 19.5a6.5 6.5 0 0 1 13 0M16 5.4a3.5 3.5 0 0 1 0 6.2m2 3a6.5 6.5 0 0 1 3.5 4.9"/>',
    "person": '<circle cx="12" cy="8" r="4"/><path d="M4.5 20a7.5 7.5 0 0 1 15 0"/>',
    "phone": '<rect x="7" y="3" width="10" height="18" rx="2"/><path d="M11 18h2"/>',
    "scan": '<path d="M4 8V5a1 1 0 0 1 1-1h3m8 0h3a1 1 0 0 1 1 1v3m0 8v3a1 1 0 0 1-1 1h-3m-8 0H5a1 1 0 0 1-1-1v-3M7 12h10"/>',
    "search": '<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5"/>',
    "undo": '<path d="M8 5 4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11h-3"/>',
}  # fmt: skip


def icon(name: str, extra: str = "") -> Markup:
    """An ornament: what it means always stands beside it in words."""
    return Markup(  # noqa: S704 (only our own words)
        f'<svg class="icon {extra}" aria-hidden="true" focusable="false" viewBox="0 0 24 24">{_PATHS[name]}</svg>'
    )


MARK = Markup(
    '<svg class="mark" aria-hidden="true" focusable="false" viewBox="0 0 32 32"><rect width="32" height="32" rx="8"/>'
    '<path d="M8 22V11.5c2.6-1.6 5.4-1.6 8 0 2.6-1.6 5.4-1.6 8 0V22c-2.6-1.6-5.4-1.6-8 0-2.6-1.6-5.4-1.6-8 0zm8-10.5V22"/></svg>'
)
"""An open book."""
