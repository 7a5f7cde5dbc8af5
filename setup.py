"""What pyproject.toml cannot say: three source roots, and a native kernel that may fail to build.

Without a compiler the install goes on with the pure-Python twin and says so loudly; with
``BYTEOR_REQUIRE_NATIVE=1`` (as on CI) a kernel that does not build is an error.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOTS = {"byteor": ".", "byteor_tui": "tui", "byteor_store": "store"}
KERNEL = Path("byteor/indexbus/kernel")
LIMITED_API = "0x030B0000"  # CPython 3.11, the oldest supported

NOTICE = """
**********************************************************************
  ByteOr's native kernel was NOT built ({reason}).
  The pure-Python twin will be used: correct on x86-64, 10-100x slower.
  Install a C compiler and the Python headers, then install again.
**********************************************************************
"""


class OptionalBuildExt(build_ext):
    def run(self) -> None:
        self._guard(super().run)

    def build_extension(self, ext: Extension) -> None:
        self._guard(lambda: super(OptionalBuildExt, self).build_extension(ext))

    def _guard(self, build) -> None:  # type: ignore[no-untyped-def]
        try:
            build()
        except Exception as error:  # any failure means: no kernel
            if os.environ.get("BYTEOR_REQUIRE_NATIVE") == "1":
                raise
            print(NOTICE.format(reason=type(error).__name__), file=sys.stderr)
            self.extensions = []

    def copy_extensions_to_source(self) -> None:
        self._guard(super().copy_extensions_to_source)


setup(
    packages=[
        package
        for name, root in ROOTS.items()
        for package in find_packages(root, include=[name, f"{name}.*"])
    ],
    package_dir={name: str(Path(root, name)) for name, root in ROOTS.items()},
    package_data={"": ["py.typed", "*.tcss", "*.pyi", "*.h", "*.c"]},
    ext_modules=[
        Extension(
            "byteor.indexbus._native",
            sources=sorted(str(path) for path in KERNEL.glob("*.c")),
            depends=sorted(str(path) for path in KERNEL.glob("*.h")),
            define_macros=[("Py_LIMITED_API", LIMITED_API), ("_GNU_SOURCE", "1")],
            extra_compile_args=[
                "-std=c11",
                "-O3",
                "-fno-strict-aliasing",
                "-Wall",
                "-Wextra",
                "-fvisibility=hidden",
                "-fno-plt",
            ],
            py_limited_api=True,
        )
    ],
    cmdclass={"build_ext": OptionalBuildExt},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
