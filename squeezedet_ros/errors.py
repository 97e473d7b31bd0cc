"""What can go wrong, one class for each way a caller may want to react."""


class SqueezeDetError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(SqueezeDetError, ValueError):
    """A setting has a value outside what is allowed."""


class CheckpointError(SqueezeDetError):
    """A weights file is missing, damaged or not a SqueezeDet checkpoint."""


class DeviceError(SqueezeDetError):
    """The requested compute device is not to be had."""


class MissingPackageError(SqueezeDetError):
    """What was asked for needs an optional package that is not installed."""


class ImageDecodeError(SqueezeDetError):
    """An image message or file does not hold the pixels it announces."""


class DatasetError(SqueezeDetError):
    """A data set, label file or bag cannot be read."""
