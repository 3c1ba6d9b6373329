"""Training on the terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Display"]

_SHOWN = (
    *("learning_rate", "loss", "val_loss", "mean_iou", "pixel_accuracy"),
    *("accuracy", "top_5_accuracy"),
)


class Display:
    """Progress bars and a line an epoch on standard error; nothing where it is off.

    Args:
        on: whether to show anything.
    """

    def __init__(self, on: bool = True) -> None:
        self._console = Console(stderr=True, quiet=not on, highlight=False)

    def say(self, text: str | None) -> None:
        """Lines that stay; None for none."""
        if text is None:
            return
        self._console.print(text, markup=False, soft_wrap=True)

    def epoch(self, row: Mapping[str, float], epochs: int, left: float) -> None:
        """The line of an epoch.

        Args:
            row: of the history.
            epochs: of the run.
            left: seconds that the run will still take.
        """
        figures = [f"{name} {row[name]:.4g}" for name in _SHOWN if name in row]
        time = f"{row['seconds']:.0f} s" + (f", {_duration(left)} left" if left else "")
        self.say(f"epoch {row['epoch']}/{epochs}  {'  '.join(figures)}  {time}")

    @contextlib.contextmanager
    def counting(
        self, total: int, text: str = "validation", done: int = 0
    ) -> Iterator[Callable[..., None]]:
        """A bar; the function it gives moves it on by a number, and sets its text."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        task = bar.add_task(text, total=total, completed=done)

        def advance(count: int = 1, description: str | None = None) -> None:
            bar.update(task, advance=count, description=description)

        with bar:
            yield advance


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
