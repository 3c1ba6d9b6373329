"""A page of the commands, made from their parsers."""

from __future__ import annotations

import argparse
import inspect

from keras_fcn.cli.commands import COMMANDS, parser


def page() -> str:
    """Every command with its summary, an example and its options."""
    lines = ["# Commands", "", "`keras-fcn COMMAND --help` says the same.", ""]
    for name, command in _parsers().items():
        module = COMMANDS[name]
        lines += [f"## keras-fcn {name}", "", module.SUMMARY, ""]
        lines += ["```", inspect.cleandoc(module.EXAMPLE), "```", "", *_options(command), ""]
    return "\n".join(lines)


def _parsers() -> dict[str, argparse.ArgumentParser]:
    (commands,) = (
        action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return dict(commands.choices)


def _options(command: argparse.ArgumentParser) -> list[str]:
    rows = ["| Option | |", "| --- | --- |"]
    for action in command._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        rows.append(f"| {_spelled(action)} | {_cell(_help(command, action))} |")
    return rows


def _spelled(action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter(prog="", max_help_position=40, width=10_000)
    return f"`{_cell(formatter._format_action_invocation(action))}`"


def _help(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter(prog=command.prog)
    return formatter._expand_help(action) if action.help else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
