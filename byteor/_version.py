"""The one place with the version; read by the build and by ``byteor --version``."""

__version__ = "0.1.0"
