# Everything sets itself up: `make demo` and `make test` work on a fresh clone, in either order.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench screenshots clean
.DEFAULT_GOAL := demo

# pip hides what setup.py prints, so what became of the native kernel is told here again.
.venv/ready: pyproject.toml setup.py constraints.txt $(wildcard byteor/indexbus/kernel/*)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m byteor.indexbus
	@touch $@

demo: .venv/ready
	$(BIN)/byteor-console demo

test: .venv/ready
	$(BIN)/pytest -n auto --dist loadfile

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m bench.transport

screenshots: .venv/ready
	$(BIN)/byteor-console shot all -o screenshots --after 30

clean:
	rm -rf .venv build *.egg-info byteor/indexbus/_native*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
