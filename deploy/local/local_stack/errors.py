class LocalStackError(RuntimeError):
    """The one-machine stack cannot go on; the message says what to do."""


class PortBusy(LocalStackError):
    """Another process listens where one of ours must."""


class ProcessFailed(LocalStackError):
    """A process of the stack died or did not become ready in time."""
