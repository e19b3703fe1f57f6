"""The version, alone, so that whoever needs it need not import the package's face."""

__version__ = "0.4.0"
