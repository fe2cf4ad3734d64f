"""Refusals about imports of registers."""

from common.errors import BusinessError


class RegistryChanged(BusinessError):
    code = "registry_changed"

    def __init__(self, file: str) -> None:
        super().__init__(
            f"While {file} was read, one of its people was admitted or one of its organisations closed; "
            "import again: files that are done are left out."
        )


class ImportNotCommitted(BusinessError):
    code = "import_not_committed"

    def __init__(self) -> None:
        super().__init__("Nothing of this import is in the base; there is nothing to roll back.")


class ImportNotChecked(BusinessError):
    code = "import_not_checked"

    def __init__(self) -> None:
        super().__init__("The import is not checked, or is under way or in the base already; look at its state.")


class ImportFilesGone(BusinessError):
    status = 410
    code = "import_files_gone"

    def __init__(self) -> None:
        super().__init__("The files of this import are no longer kept; upload them anew.")


class UploadTooLarge(BusinessError):
    status = 413
    code = "upload_too_large"

    def __init__(self, files: int, mebibytes: int) -> None:
        super().__init__(f"Send at most {files} files of {mebibytes} MiB in all; split the upload.")


class MappingRefused(BusinessError):
    status = 422
    code = "mapping_invalid"
