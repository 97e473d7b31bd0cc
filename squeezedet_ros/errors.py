"""What can go wrong, one class for each way a caller may want to react."""

_LONGEST_SHOWN = 200


def one_line(error: BaseException) -> str:
    """Return the kind of an error and its text, without line breaks."""
    return f'{type(error).__name__}: {" ".join(str(error).split())}'


def shown(value: object) -> str:
    """Return a value for an error's text, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:
        # Python writes no whole number of thousands of digits.
        text = f'a {type(value).__name__} of a number of thousands of digits'
    return text if len(text) <= _LONGEST_SHOWN else f'{text[:_LONGEST_SHOWN]}...'


class SqueezeDetError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(SqueezeDetError, ValueError):
    """A setting has a value outside what is allowed."""


class CheckpointError(SqueezeDetError):
    """A weights file is missing, damaged or not a SqueezeDet checkpoint."""


class DeviceError(SqueezeDetError):
    """The requested compute device is not to be had."""


class EngineError(SqueezeDetError, RuntimeError):
    """An engine failed, or says something else than PyTorch does."""


class ImageDecodeError(SqueezeDetError):
    """An image message or file does not hold the pixels it announces."""


class PredictionError(SqueezeDetError, ArithmeticError):
    """The network gave numbers that no detection can be made of."""


class TrainingError(SqueezeDetError, ArithmeticError):
    """A training gave numbers that nothing can be learnt from."""


class DatasetError(SqueezeDetError):
    """A data set, label file or bag cannot be read."""


class MissingPackageError(SqueezeDetError):
    """An optional Python package is needed and not installed."""

    def __init__(self, purpose: str, package: str) -> None:
        """Say what needs which package, by its name on PyPI."""
        super().__init__(
            f'{purpose} needs {package}, which is not installed (pip install {package})'
        )
