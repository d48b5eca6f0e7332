"""Uploading a package: a plain form, sent by the page's script, so that its progress is seen."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from nicegui import ui

from fedloom.platform.identity import Permission, require
from fedloom.platform.ui.frame import card, frame, heading
from fedloom.platform.ui.uploads import UPLOAD_PATH

__all__ = ["new_package_page"]


async def new_package_page() -> None:
    """Build the form."""
    with frame("Upload a package", "/models") as visit:
        require(visit.who, Permission.PUSH_MODEL)
        heading("Upload a package")
        uses = await visit.shared("datasets", lambda service, who: service.datasets(who))
        with card():
            ui.label(
                "A package is a folder with fedloom.yaml, as one .tgz archive; fedloom package"
                " create makes it. Nodes run it only where their owners allow it."
            ).classes("flm-muted")
            # All that is not ours is escaped in it.
            ui.html(_write_form(uses), sanitize=False)


def _write_form(use_cases: Iterable[str]) -> str:
    known = "".join(f'<option value="{escape(name)}">' for name in sorted(use_cases))
    return f"""\
<form class="flm-upload" method="post" action="{UPLOAD_PATH}" enctype="multipart/form-data"
 onsubmit="flmUpload(this); return false">
<div class="flm-form">
<label>Name of the model<input name="name" required maxlength="200" autocomplete="off"></label>
<label>Use case<input name="use_case" maxlength="200" list="flm-uses" autocomplete="off">
<small>The only data that it is for; empty: any</small></label>
<label>Package (.tgz)<input name="file" type="file" required accept=".tgz,.tar.gz"></label>
<label>First weights (.npz)<input name="seed_model" type="file" accept=".npz">
<small>Empty: the package’s build makes them, here</small></label>
<label class="flm-wide">Description<textarea name="description" rows="2" maxlength="5000">\
</textarea></label>
<label class="flm-wide">Signatures<textarea name="signature" rows="2" class="flm-mono">\
</textarea><small>What fedloom package sign wrote, a line for each; empty: none</small></label>
</div>
<datalist id="flm-uses">{known}</datalist>
<div class="flm-row"><button type="submit">Upload it</button>
<progress max="1" value="0" aria-label="Upload" hidden></progress>
<span role="status"></span></div>
<p class="flm-reason" role="alert" hidden></p>
</form>"""
