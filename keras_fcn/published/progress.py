"""Progress of downloads on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from keras_fcn.published.transfer import Progress


@contextlib.contextmanager
def download_bar(name: str) -> Iterator[Progress]:
    """A bar with speed and time left; it shows itself when the first bytes come."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
