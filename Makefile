# Everything sets itself up: `make demo` and `make test` work on a fresh clone, in either order.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

# Every byteor process would compile its modules again, at twice the start-up time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check bench screenshots clean
.DEFAULT_GOAL := demo

NEEDS := pyproject.toml setup.py constraints.txt $(wildcard byteor/indexbus/kernel/*)

# pip hides what setup.py prints, so what became of the native kernel is told here again.
.venv/ready: $(NEEDS)
	$(PYTHON) -m venv .venv
	$(INSTALL) -e .
	@$(BIN)/python -m byteor.indexbus
	@touch $@

# The demo needs less than the tests, and the first look should not wait for mypy.
.venv/dev: .venv/ready
	$(BIN)/python -c "$$DEV_PACKAGES" >.venv/dev.txt
	$(INSTALL) -r .venv/dev.txt
	@touch $@

# What the extra `dev` names, without building the project once more.
define DEV_PACKAGES
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["dev"], sep="\n")
endef
export DEV_PACKAGES

demo: .venv/ready
	$(BIN)/byteor-console demo

test: .venv/dev
	$(BIN)/pytest -n auto --dist loadfile

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/dev
	$(BIN)/python -m bench.transport

screenshots: .venv/ready
	$(BIN)/byteor-console shot all -o screenshots --after 30

clean:
	rm -rf .venv build *.egg-info byteor/indexbus/_native*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
