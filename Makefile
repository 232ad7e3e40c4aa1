# Every command of the project. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
UV_COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" ../.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url

# First what says soon that something is wrong. Together they are all of tests/, which a test holds.
# One file is always one worker's: its tests share an instance.
FAST_TESTS := tests/architecture tests/unit tests/contract
WHOLE_INSTANCES := tests/integration tests/mesh tests/chaos tests/model

# Where this is set, nothing compiled is kept: each of the many processes that the tests start would compile all of ODST again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo serve test chaos check fmt bench promises schemas lock clean

help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run it

demo: setup ## Three instances, one upload, proof at the third. FILE=path: your own file; KEEP=1: leave them running
	@.venv/bin/odst demo $(if $(FILE),--file "$(FILE)") $(if $(KEEP),--keep)

serve: setup ## One instance for real use, until Ctrl-C. ARGS="--data DIR --listen HOST:PORT --processes"
	@.venv/bin/odst serve $(ARGS)

##@ Change it

test: setup ## The tests, on the real parts. T="tests/unit -k name": only some
ifdef T
	@$(PYTHON) -m pytest $(T)
else
	@$(PYTHON) -m pytest -n 2 --dist loadfile $(FAST_TESTS)
	@$(PYTHON) -m pytest -n 2 --dist loadfile $(WHOLE_INSTANCES)
endif

chaos: setup ## The promises at full size, which takes long: ODST_CHAOS=long. T="…": only some
	@ODST_CHAOS=long $(PYTHON) -m pytest -v -m promise $(T)

check: setup ## What a review would find first: format, lint, types, imports, architecture, schemas
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	$(if $(wildcard .importlinter),.venv/bin/lint-imports)
	$(if $(wildcard tests/architecture),$(PYTHON) -m pytest -q tests/architecture)
	$(if $(wildcard shared/contracts/generate.py),$(PYTHON) -m shared.contracts.generate --check)
	$(PYTHON) -m services.api_gateway.document --check

fmt: setup ## Format, and mend what can be mended by machine
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

bench: setup ## Side by side with what an administrator would use instead. ARGS=…
	@$(PYTHON) -m benchmarks $(ARGS)

promises: setup ## The tests behind the promises of the reliability document, one by one
	@$(PYTHON) -m pytest -v -m promise $(T)

schemas: setup ## Write anew what is made from the code: shared/contracts/schemas, docs/events.md, docs/admin-api.openapi.json
	@$(PYTHON) -m shared.contracts.generate
	@$(PYTHON) -m services.api_gateway.document

##@ Keep it

setup: ## Virtual environment, locked dependencies, RabbitMQ. At once if nothing changed
	@tools/setup

lock: setup ## Renew requirements/*.lock from requirements/*.in. ARGS=--upgrade: to the newest versions
	cd requirements && $(UV_COMPILE) $(ARGS) base.in -o base.lock
	cd requirements && $(UV_COMPILE) $(ARGS) dev.in -c base.lock -o dev.lock

clean: ## Remove what was made here: environment, caches. Never data/
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage ./*.egg-info
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
