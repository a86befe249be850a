"""What can go wrong in the world, as one tree.

    VidganError
    ├── InputError            what the user gave can't be used: exit code 2
    │   ├── SourceError         a video, picture or stream that can't be read
    │   ├── SinkError           a target that can't be written or can't hold what it should
    │   └── StyleError          a style that isn't there, or is broken
    └── MachineError          this machine can't do it: exit code 3
        ├── RuntimeUnavailableError   a runtime or device that isn't present
        └── DiskFullError             no space left for the result

Wrong arguments of a function (a negative strength, an array of the wrong dtype) are `ValueError` and `TypeError`.
"""


class VidganError(Exception):
    """Anything vidgan reports about files, streams, styles and machines. The text is one line meant for users."""


class InputError(VidganError):
    """What the user gave can't be used."""


class SourceError(InputError):
    """A video, picture or stream that can't be read."""


class SinkError(InputError):
    """A target that can't be written, or can't hold what it should."""


class StyleError(InputError):
    """A style that isn't there, or is broken."""


class MachineError(VidganError):
    """This machine can't do what was asked."""


class RuntimeUnavailableError(MachineError):
    """A runtime or a device that isn't present here."""


class DiskFullError(MachineError):
    """No space left for the result."""
