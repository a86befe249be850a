"""`vidgan`: the program, its exit codes, and what it says when something goes wrong."""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import Annotated

import typer

from vidgan.cli import (
    bench,
    build,
    distil,
    doctor,
    import_weights,
    measure,
    paint,
    quantise,
    sheet,
    styles,
    stylize,
    train,
)
from vidgan.errors import InputError, MachineError

app = typer.Typer(
    name="vidgan",
    help="Restyle video with GANs: the same video out in another look, steady, in sync, right in colour.",
    epilog="Start with: vidgan stylize IN.mp4 -o OUT.mp4",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("stylize")(stylize.command)
app.command("paint")(paint.command)
app.command("styles")(styles.command)
app.command("sheet")(sheet.command)
app.command("measure")(measure.command)
app.command("bench")(bench.command)
app.command("quantise")(quantise.command)
app.command("build")(build.command)
app.command("engines")(build.engines)
app.command("doctor")(doctor.command)
app.command("import")(import_weights.command)
app.command("distil")(distil.command)
app.add_typer(train.app, name="train")


def _show_version(wanted: bool) -> None:
    if wanted:
        from vidgan import __version__

        print(f"vidgan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say on standard error what happens inside.")
    ] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")
    if not verbose:
        # FFmpeg's and PyAV's own remarks; what matters of them becomes a notice or an error of ours.
        logging.getLogger("libav").setLevel(logging.CRITICAL)


def main() -> None:
    """Run the program: exit code 0 done, 2 the input is wrong, 3 the machine can't, 130 interrupted."""
    try:
        app()
    except InputError as error:
        _fail(str(error), 2)
    except MachineError as error:
        _fail(str(error), 3)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # What is still on its way to standard output would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(f"can't write: {error.strerror}", 3)
    except RuntimeError as error:
        # torch's, of a graphics card; by their names, since torch isn't loaded to find out.
        if type(error).__name__ not in ("OutOfMemoryError", "AcceleratorError"):
            raise
        _fail(str(error).partition("\n")[0], 3)


def _fail(message: str, code: int) -> None:
    print(f"vidgan: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
