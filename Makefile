.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
SHOP_VENV := examples/shop/.venv
PLUGIN_EXTRAS := --extra postgres --extra http --extra files --extra xdist
NODE_EXAMPLES := examples/node examples/playwright
# Where PYTHONDONTWRITEBYTECODE is set, each of the example's dozen processes would compile its libraries: 3 s of CPU.
export UV_COMPILE_BYTECODE := 1
# The same for our own modules: tests and benchmarks start thousands of processes, as a user's machine has them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## What there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: deps
deps: $(VENV)/.installed $(SHOP_VENV)/.installed $(NODE_EXAMPLES:%=%/node_modules/.installed) ## Install the development tools and the example's requirements

$(VENV)/.installed: requirements-dev.txt pyproject.toml
	@echo "Installing the development tools into $(VENV): a minute or two, once." >&2
	@.ci/uv venv --quiet --allow-existing --python '>=3.11' $(VENV)
	@.ci/uv pip sync --quiet --python $(PYTHON) --require-hashes requirements-dev.txt
	@.ci/uv pip install --quiet --python $(PYTHON) --no-deps --editable .
	@touch $@

# The example's tests use the fixtures of this checkout, as a team's would use those of the package.
$(SHOP_VENV)/.installed: examples/shop/requirements.txt pyproject.toml
	@.ci/uv venv --quiet --allow-existing --python '>=3.11' $(SHOP_VENV)
	@.ci/uv pip sync --quiet --python $(SHOP_VENV)/bin/python --require-hashes examples/shop/requirements.txt
	@.ci/uv pip install --quiet --python $(SHOP_VENV)/bin/python --no-deps --editable .
	@touch $@

# `npm ci` refuses a lock that lacks packages of other systems, which some registries do not have.
# Without npm the examples for Node are left out, and so are the tests that need them.
%/node_modules/.installed: %/package-lock.json
	@if command -v npm > /dev/null; then \
	  cd $* && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --no-save --silent --no-audit --no-fund && touch node_modules/.installed; \
	else echo "There is no npm: $* is left out." >&2; fi

.PHONY: demo
demo: $(VENV)/.installed $(SHOP_VENV)/.installed ## Run the example: plan, shards on real services, merge, report
	@.ci/demo

.PHONY: test
test: deps ## Run the tests, starting a Docker engine and a registry where none runs
	@.ci/test

.PHONY: lint
lint: deps ## ruff, mypy, import contracts
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

.PHONY: wheel
wheel: deps ## Build sdist and wheel, install the wheel elsewhere and use it
	@.ci/wheel

.PHONY: docs
docs: deps ## Build the documentation, strictly, into build/site
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict --site-dir build/site
	@echo "docs: build/site/index.html"

.PHONY: lock
lock: ## Renew the hashed lock files
	.ci/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade pyproject.toml --all-extras --group dev -o requirements-dev.txt
	.ci/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade pyproject.toml -o .github/action-requirements.txt
	cd examples/shop && ../../.ci/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade requirements.in ../../pyproject.toml $(PLUGIN_EXTRAS) -o requirements.txt

.PHONY: down
down: ## End the Docker engine and registry that demo or test started
	@python3 -m tests.bench down

.PHONY: bench
bench: deps ## Run one benchmark: make bench NAME=sharding
	@test -f benchmarks/$(NAME).py || { echo "There is no benchmark '$(NAME)'. There are: $$(cd benchmarks && ls *.py | grep -v '^table\|^clock' | sed 's/\.py//' | xargs)" >&2; exit 2; }
	@$(PYTHON) -m benchmarks.$(NAME) $(ARGUMENTS)
