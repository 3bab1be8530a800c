"""docs/commands.md, written from what the program itself says of its commands: python Conformance/command_docs.py > docs/commands.md"""

import json
import subprocess

from stack import MARU

INTRODUCTION = """# Commands

What `maru --help` and `maru COMMAND --help` say, on one page. This page is written by `Conformance/command_docs.py`, and a test holds it to the program.

Exit code 0 means that what was asked for was done, or that what was asked about is in order; 1 that it was not; 64 that the command line was not understood.
Every command takes `--set NAME=VALUE` (a [setting](settings.md) for this command alone; may be given more than once) and `--help`.
"""
EVERYWHERE = {"--set", "--help", "--version"}


def tree():
    return json.loads(subprocess.run([str(MARU), "--experimental-dump-help"], capture_output=True, text=True, check=True).stdout)["command"]


def commands(command, path=("maru",)):
    """Every command that people are shown, with its path."""
    own = [sub for sub in command.get("subcommands", []) if sub["commandName"] != "help" and sub.get("shouldDisplay", True)]
    if len(path) > 1:
        yield path, command, bool(own)
    for sub in own:
        yield from commands(sub, (*path, sub["commandName"]))


def spelled(argument):
    """An argument as one types it."""
    value = argument.get("valueName", "value")
    if argument["kind"] == "positional":
        return f"<{value}>" + (" ..." if argument.get("isRepeating") else "")
    names = sorted((("-" if n["kind"] == "short" else "--") + n["name"] for n in argument["names"]), key=len)
    return ", ".join(names) + (f" <{value}>" if argument["kind"] == "option" else "")


def page():
    text = INTRODUCTION
    for path, command, is_group in commands(tree()):
        text += f"\n## `{' '.join(path)}`\n\n{command['abstract']}\n"
        if is_group:
            continue
        if command.get("discussion"):
            # Examples are indented in a terminal; here they are fenced.
            for part in command["discussion"].split("\n\n"):
                lines = part.rstrip().splitlines()
                is_example = all(line.startswith("  ") for line in lines)
                text += "\n" + ("```sh\n" + "\n".join(line[2:] for line in lines) + "\n```" if is_example else "\n".join(lines)) + "\n"
        rows = [a for a in command.get("arguments", []) if a.get("shouldDisplay", True) and not EVERYWHERE & {spelled(a).split(" <")[0].split(", ")[-1]}]
        if rows:
            text += "\n| argument | what |\n|---|---|\n"
            for argument in rows:
                default = argument.get("defaultValue")
                told = f" Default: `{default}`." if default and not default.startswith("--") else ""
                text += f"| `{spelled(argument)}` | {argument.get('abstract', '')}{told} |\n"
    return text


if __name__ == "__main__":
    print(page(), end="")
